"""Units' values of an experiment summed in the warehouse by freshly salted buckets of randomisation units."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb
import numpy as np

from analysis.calibration import BucketSums, Units
from analysis.calibration.buckets import MEANS
from analysis.calibration.replicates import epochs_of
from analysis.calibration.third_moments import triples
from configs.catalog import metric_catalog
from configs.schema import Config, Experiment
from orchestration.warehouse import has_table

BUCKETS = 10_000
OVERFLOW = LIMB = 10**14
NOTHING_YET = -2 * 10**18
SUMMED_TYPES = frozenset({"proportion", "retention", "mean", "ratio"})
SNAPSHOT = "intermediate.int_exposed_units"


def latest_snapshots(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[date, int]]:
    """As-of date and number of units of each experiment's latest unit snapshot."""
    if not has_table(connection, *SNAPSHOT.split(".")):
        return {}
    rows = connection.execute(
        f"select experiment_id, as_of_date, count(*) from {SNAPSHOT} group by experiment_id, as_of_date "
        "qualify as_of_date = max(as_of_date) over (partition by experiment_id)"
    ).fetchall()
    return {experiment_id: (as_of, n_units) for experiment_id, as_of, n_units in rows}


def bucket_sums(
    connection: duckdb.DuckDBPyConnection,
    config: Config,
    experiment: Experiment,
    *,
    units_of: Experiment,
    as_of: date,
    salt: str,
    n_buckets: int = BUCKETS,
) -> Units:
    """Exact sums of every metric of `experiment` over the mature units that `units_of` had at `as_of`, of all arms.

    A cell is a bucket within an allocation epoch of `units_of`. One pass; a metric without any usable unit is left
    out, and so are types that sums do not serve.
    """
    known = {row[0] for row in connection.execute(f"describe {SNAPSHOT}").fetchall()}
    catalog = {metric["metric_id"]: metric for metric in metric_catalog(config)["metrics"]}
    wanted = {id_: catalog[id_] for id_ in experiment.metrics.roles if config.metrics[id_].type in SUMMED_TYPES}
    columns = {id_: _columns(metric) for id_, metric in wanted.items()}
    served = {id_: values for id_, values in columns.items() if set(values.values()) <= known}
    if not served:
        return Units(np.zeros(0, dtype=np.intp))
    metrics = {id_: (wanted[id_], tuple(values)) for id_, values in served.items()}
    rows = connection.execute(
        _query(metrics, served, units_of),
        {"experiment": units_of.id, "as_of": as_of, "salt": salt, "buckets": n_buckets},
    ).fetchall()
    table = np.array(rows, dtype=object).reshape(len(rows), -1)
    sums, at = {}, 2
    for id_, (metric, names) in metrics.items():
        n_triples = len(triples(names, is_share=metric["is_binary"]))
        width = 1 + len(names) + len(names) * (len(names) + 1) // 2 + 2 * n_triples
        found = _sums(metric, names, table[:, at : at + width])
        at += width
        if found is not None:
            sums[id_] = found
    return Units(table[:, 1].astype(np.intp), sums)


def _columns(metric: Mapping[str, Any]) -> dict[str, str]:
    """The snapshot's column of each value that the metric's estimator needs."""
    parts = {"y": "value", "d": "denominator", "x": "covariate", "h": "history"}
    own = {name: metric[part] for name, part in parts.items() if metric.get(part) is not None}
    return own | {name: one["value"] for name, one in _further(metric).items()}


def _further(metric: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The catalog's entries of further covariates, in the order in which they enter."""
    return {f"x{number}": one for number, one in enumerate(metric.get("further", []), start=1)}


def _query(
    metrics: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]],
    columns: Mapping[str, Mapping[str, str]],
    experiment: Experiment,
) -> str:
    seen, capped, sums = [], [], []
    for number, (id_, (metric, names)) in enumerate(metrics.items()):
        end = metric["end_days"]
        mature = "true" if end is None else f"exposed_at + interval {24 * end} hour <= calendar.ends_at"
        values = {name: _seen(metric, name, columns[id_][name]) for name in names}
        usable = " and ".join(
            [
                mature,
                *(f"abs({value}) < {OVERFLOW}" for value in values.values()),
            ]  # a missing value is not below either
        )
        seen += [f"case when {usable} then {value} end as {name}_{number}" for name, value in values.items()]
        capped += [f"{_capped(metric, name, f'{name}_{number}')} as {name}_{number}" for name in names]
        sums.append(f"count(y_{number})")
        sums += [f"coalesce(sum({name}_{number}), 0)" for name in names]
        sums += [
            f"coalesce(sum(cast({left}_{number} as hugeint) * {right}_{number}), 0)"
            for i, left in enumerate(names)
            for right in names[i:]
        ]
        sums += [
            f"coalesce(sum({limb}), 0)"
            for i, j, k in triples(names, is_share=metric["is_binary"])
            for limb in _limbs(*(f"{names[at]}_{number}" for at in (i, j, k)))
        ]
    starts = [one.from_ for one in epochs_of(experiment)][1:]
    epoch = " + ".join(["0", *(f"(exposed_date >= date '{start}')::integer" for start in starts)])
    return (
        f"with seen as (select (md5_number_lower(unit_id || $salt) % $buckets)::integer as bucket, {epoch} as epoch, "
        f"{', '.join(seen)} from {SNAPSHOT} as units inner join inputs.calendar as calendar using (as_of_date) "
        f"where experiment_id = $experiment and as_of_date = $as_of), "
        f"capped as (select bucket, epoch, {', '.join(capped)} from seen) "
        f"select bucket, epoch, {', '.join(sums)} from capped group by bucket, epoch order by bucket, epoch"
    )


def _limbs(first: str, second: str, third: str) -> tuple[str, str]:
    """A product of three values below 10^14 as high * LIMB + low, each small enough to be summed in 128 bits."""
    pair = f"(cast({first} as hugeint) * {second})"
    return f"({pair} // {LIMB}) * {third}", f"({pair} % {LIMB}) * {third}"


def _seen(metric: Mapping[str, Any], name: str, column: str) -> str:
    """A unit's value as the metric sees it, as the models' macro of that name does."""
    kind = _further(metric)[name]["kind"] if name not in MEANS else ""
    if name == "h" or kind == "no_history":
        return f"(case when {column} = 0 then 1 when {column} is not null then 0 end)"
    if (metric["is_binary"] and name in ("y", "x")) or kind == "share":
        return f"(case when {column} > 0 then 1 when {column} is not null then 0 end)"
    return f"(case when {column} = {NOTHING_YET} then 0 else {column} end)"


def _capped(metric: Mapping[str, Any], name: str, column: str) -> str:
    fixed = {"y": metric["cap_upper"], "d": metric["denominator_cap_upper"]}.get(name)
    if fixed is not None:
        return f"least({column}, {fixed})"
    if metric["cap_quantile"] is not None and name in ("y", "d"):
        return f"least({column}, quantile_disc({column}, {metric['cap_quantile']}) over ())"
    return column


def _sums(metric: Mapping[str, Any], names: tuple[str, ...], table: np.ndarray) -> BucketSums | None:
    k = len(names)
    n, first = table[:, 0], table[:, 1 : 1 + k]
    if not n.sum():
        return None
    second = np.zeros((len(table), k, k), dtype=object)
    upper = np.triu_indices(k)
    end = 1 + k + len(upper[0])
    second[:, upper[0], upper[1]] = table[:, 1 + k : end]
    second[:, upper[1], upper[0]] = table[:, 1 + k : end]
    third = table[:, end::2] * LIMB + table[:, end + 1 :: 2]
    decimals = {"y": metric["decimals"], "d": metric["denominator_decimals"], "x": metric["decimals"], "h": 0}
    decimals |= {name: one["decimals"] for name, one in _further(metric).items()}
    scale = np.array([10.0 ** decimals[name] for name in names])
    return BucketSums.from_integers(names, n, first, second, third, scale, is_share=metric["is_binary"])
