"""Write what dbt reads: the metric catalog macro and the experiments' tables.

`python -m configs.render --configs DIR --check` renders into a temporary folder, for CI;
`python -m configs.render --configs DIR --out DIR` keeps the result.
"""

import argparse
import contextlib
import csv
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

from configs.catalog import batched_metrics, bot_limit, coverage_windows, metric_catalog
from configs.exclusions import exclusions
from configs.load import ConfigError, load_config
from configs.panel_catalog import panel_day_rows, panel_metric_rows, panel_rows
from configs.pinning import config_hash, pinned_config
from configs.predecessors import predecessors
from configs.propensities import logged_propensities
from configs.schema import Config, Experiment
from configs.switchback_catalog import switchback_metric_rows, switchback_rows
from configs.triggers import populations, populations_entry, trigger_entry

__all__ = ["catalog_macro", "config_hash", "main", "metric_catalog", "pinned_config", "render"]

Row = tuple[Any, ...]


def render(config: Config, folder: Path) -> None:
    """Write `macros/metric_catalog.sql` and the CSV files into `folder`.

    A file is replaced in one step, and only when its content differs: dbt then keeps its parsed project.
    """
    catalog = metric_catalog(config)
    more = populations_entry(config) | {"has_exclusions": bool(exclusions(config))}
    _write(folder / "macros" / "metric_catalog.sql", catalog_macro(catalog | more))
    for name, (header, rows) in _tables(config, catalog).items():
        _write(folder / f"{name}.csv", _csv_text(header, rows))


def catalog_macro(catalog: dict[str, Any]) -> str:
    """The catalog as the source of a dbt macro that returns it."""
    lines = []
    for key, value in catalog.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            entries = "".join(f"    {_literal(entry)},\n" for entry in value)
            lines.append(f"  {_literal(key)}: [\n{entries}  ],\n")
        else:
            lines.append(f"  {_literal(key)}: {_literal(value)},\n")
    body = "".join(lines)
    return (
        "{# Written by configs.render from the metrics' YAML; changes here are lost. #}\n"
        f"{{% macro metric_catalog() %}}{{{{ return({{\n{body}}}) }}}}{{% endmacro %}}\n"
    )


def _tables(config: Config, catalog: dict[str, Any]) -> dict[str, tuple[Sequence[str], list[Row]]]:
    experiments = [experiment for _, experiment in sorted(config.experiments.items())]
    randomised = [experiment for experiment in experiments if experiment.follows_units]
    all_populations = populations(config)
    return {
        "experiments": (
            (
                "experiment_id",
                "start_date",
                "end_date",
                "analysis_end_date",
                "exposure_source",
                "is_analysed",
                "config_hash",
            ),
            [_experiment_row(config, experiment) for experiment in all_populations],
        ),
        "experiment_variants": (
            ("experiment_id", "variant_id", "weight", "is_baseline", "position"),
            [row for experiment in all_populations for row in _variant_rows(experiment)],
        ),
        "experiment_epochs": (
            ("experiment_id", "epoch", "from_date", "variant_id", "weight"),
            [row for experiment in all_populations for row in _epoch_rows(experiment)],
        ),
        "experiment_metrics": (
            ("experiment_id", "metric_id", "role"),
            [
                (experiment.id, metric_id, role)
                for experiment in all_populations
                if experiment.follows_units
                for metric_id, role in sorted(experiment.metrics.roles.items())
            ],
        ),
        "experiment_coverages": (
            ("experiment_id", "coverage_hash"),
            [row for experiment in randomised for row in _coverage_rows(config, catalog, experiment)],
        ),
        "experiment_probes": (
            ("experiment_id", "probe_hash"),
            [row for experiment in randomised for row in _probe_rows(config, catalog, experiment)],
        ),
        "experiment_predecessors": (
            ("experiment_id", "earlier_experiment_id"),
            [(experiment.id, id_) for experiment in experiments for id_ in predecessors(config, experiment)],
        ),
        "experiment_buckets": (
            ("experiment_id", "algorithm", "salt", "buckets", "variant_id", "first_bucket", "end_bucket"),
            [row for experiment in experiments for row in _bucket_rows(experiment)],
        ),
        "experiment_segments": (
            ("experiment_id", "segment_name"),
            [(experiment.id, name) for experiment in experiments for name in sorted(experiment.segment_names)],
        ),
        "experiment_trends": (
            ("experiment_id", "days"),
            [(experiment.id, experiment.trends.days) for experiment in experiments if experiment.trends],
        ),
        "experiment_propensities": (("experiment_id", "attribute"), logged_propensities(config)),
        "experiment_batches": (("experiment_id", "metric_id"), list(batched_metrics(config))),
        "experiment_strata": (
            ("experiment_id", "attribute"),
            [row for experiment in experiments for row in _strata_rows(experiment)],
        ),
        "experiment_exclusions": (("experiment_id", "other_experiment_id", "until_date"), exclusions(config)),
        "experiment_held_out": (
            ("experiment_id", "holdout_id", "variant_id", "since_date", "until_date"),
            [
                (experiment.id, held.experiment, held.variant, held.since, held.until)
                for experiment in experiments
                for held in experiment.held_out
            ],
        ),
        "experiment_triggers": (
            ("experiment_id", "everyone_id", "trigger_hash"),
            [
                (experiment.id, experiment.everyone_id, trigger_entry(experiment.trigger)["trigger_hash"])
                for experiment in experiments
                if experiment.trigger is not None
            ],
        ),
        "experiment_panels": (("experiment_id", "group_kind", "group_property"), list(panel_rows(config))),
        "experiment_panel_metrics": (("experiment_id", "metric_id"), list(panel_metric_rows(config))),
        "experiment_panel_days": (("experiment_id", "day", "period_date"), list(panel_day_rows(config))),
        "experiment_switchbacks": (
            ("experiment_id", "exposure_source", "attribute", "starts_at", "period_minutes"),
            list(switchback_rows(config)),
        ),
        "experiment_switchback_metrics": (("experiment_id", "metric_id"), list(switchback_metric_rows(config))),
        "experiment_clusters": (
            ("experiment_id", "attribute"),
            [(experiment.id, experiment.cluster.attribute) for experiment in experiments if experiment.cluster],
        ),
    }


def _experiment_row(config: Config, experiment: Experiment) -> Row:
    windows = [config.metrics[id_].window for id_ in experiment.metrics.roles]
    longest = max((window.end_days for window in windows if window), default=0)
    return (
        experiment.id,
        experiment.start,
        experiment.end,
        experiment.end + timedelta(days=longest),
        # No unit of a switchback is followed: its exposures are read by period, from a table of its own.
        experiment.exposure_source if experiment.switchback is None else None,
        experiment.is_analysed,
        config_hash(config, experiment),
    )


def _epochs(experiment: Experiment) -> list[tuple[date, dict[str, float]]]:
    """(first day, weights by variant) of each allocation epoch; a single one if none is declared.

    A bandit has one each day: what its weights are is computed from the days before, so its variants' stand here.
    """
    declared = [(epoch.from_, epoch.weights) for epoch in experiment.allocation]
    days = (experiment.end - experiment.start).days + 1 if experiment.bandit is not None else 1
    weights = {variant.id: variant.weight for variant in experiment.variants}
    return declared or [(experiment.start + timedelta(days=day), weights) for day in range(days)]


def _variant_rows(experiment: Experiment) -> Iterator[Row]:
    _, weights = _epochs(experiment)[-1]
    for position, variant in enumerate(experiment.variants):
        yield experiment.id, variant.id, weights[variant.id], variant.baseline, position


def _epoch_rows(experiment: Experiment) -> Iterator[Row]:
    for epoch, (from_date, weights) in enumerate(_epochs(experiment)):
        for variant in experiment.variants:
            yield experiment.id, epoch, from_date, variant.id, weights[variant.id]


def _strata_rows(experiment: Experiment) -> Iterator[Row]:
    """The attributes that make strata, and `allocation epoch`, which is no attribute's name, where weights change."""
    if experiment.changes_weights:
        yield experiment.id, "allocation epoch"
    for attribute in sorted(experiment.grouping):
        yield experiment.id, attribute


def _coverage_rows(config: Config, catalog: dict[str, Any], experiment: Experiment) -> Iterator[Row]:
    hashes = {
        (coverage["source_id"], coverage["end_days"]): coverage["metric_hash"] for coverage in catalog["coverages"]
    }
    for covered in sorted(coverage_windows(experiment, config.metrics).items()):
        if covered in hashes:
            yield experiment.id, hashes[covered]


def _probe_rows(config: Config, catalog: dict[str, Any], experiment: Experiment) -> Iterator[Row]:
    for probe in catalog["probes"] if experiment.is_analysed else ():
        if probe["metric_id"] in experiment.metrics.roles and (
            probe["kind"] != "bots" or probe["above"] == bot_limit(config, experiment)
        ):
            yield experiment.id, probe["metric_hash"]


def _bucket_rows(experiment: Experiment) -> Iterator[Row]:
    """The buckets of each variant, the end excluded."""
    hashing = experiment.hashing
    if hashing is None:
        return
    _, weights = _epochs(experiment)[-1]
    ends = accumulate(weights[variant.id] for variant in experiment.variants)
    first = 0
    for variant, share in zip(experiment.variants, ends, strict=True):
        end = round(share * hashing.buckets)
        yield experiment.id, hashing.algorithm, hashing.salt, hashing.buckets, variant.id, first, end
        first = end


def _csv_text(header: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([str(value).lower() if isinstance(value, bool) else value for value in row] for row in rows)
    return text.getvalue()


def _literal(value: Any) -> str:
    """The value as a literal of both Python and Jinja, which nothing mistakes for the end of a block."""
    if isinstance(value, str):
        return "'" + re.sub(r"[^A-Za-z0-9_ .,:/@+=<>-]", _escape, value) + "'"
    if isinstance(value, dict):
        entries = ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items())
        return f"{{ {entries} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"


def _write(path: Path, text: str) -> None:
    content = text.encode()
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 1 with the configuration's errors on stderr."""
    parser = argparse.ArgumentParser(prog="python -m configs.render", description="Render YAML for dbt.")
    parser.add_argument("--configs", type=Path, default=Path("configs"), help="folder with project.yaml")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--check", action="store_true", help="render into a temporary folder")
    target.add_argument("--out", type=Path, help="folder to write to")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.configs)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    if options.check:
        with tempfile.TemporaryDirectory() as folder:
            render(config, Path(folder))
    else:
        render(config, options.out)
    print(f"{len(config.metrics)} metrics and {len(config.experiments)} experiments render")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
