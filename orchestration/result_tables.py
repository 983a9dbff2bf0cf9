"""Scorecard, health checks and decisions: `analysis` applied to the marts, one experiment never stopping another."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial

import duckdb
import pandas as pd

from analysis.completeness import blocked_metrics, unadjusted_metrics
from analysis.decisions import decisions
from analysis.decisions.lifecycle import lifecycle_events
from analysis.decisions.monitor import rollback_monitor
from analysis.health import health_checks
from analysis.health.amount_units import metrics_in_mixed_units
from analysis.health.thresholds import thresholds_by_experiment
from analysis.scorecard import FAILED, EventTables, scorecard
from analysis.scorecard.covariates import with_covariates
from analysis.scorecard.diluted import diluted_effects
from configs.schema import Component, Experiment
from orchestration.bandits import EMPTY, BanditData, read_bandits, with_allocations
from orchestration.calibration import with_calibrations
from orchestration.clusters import read_clusters, with_cluster_counts
from orchestration.factorial import read_factorial_effects
from orchestration.health_data import read_health_data
from orchestration.inputs import RunInputs
from orchestration.isolation import Experiments, Reasons, isolated, without_failing_metrics
from orchestration.partitions import days_between
from orchestration.planning import PlannedBuild, first_log_date
from orchestration.provenance import PROVENANCE, code_version, input_digests, input_watermark
from orchestration.quasi import quasi_decision_rows
from orchestration.srm_causes import with_causes
from orchestration.switchbacks import read_switchbacks, with_switchbacks
from orchestration.warehouse import has_table


def scorecard_rows(connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]) -> pd.DataFrame:
    """The scorecard of the planned as-of dates; what fails gets rows with status `failed`."""
    metrics, dates = inputs.config.metrics, _dates(plans)
    moments, covariates = (
        _mart(connection, name, "mart.as_of_date between plan.from_date and plan.to_date")
        for name in ("fct_metric_moments", "fct_covariate_moments")
    )
    moments = with_covariates(moments, covariates, metrics)
    details = {
        argument: _mart(connection, name, "mart.as_of_date between plan.from_date and plan.to_date")
        for argument, name in (
            ("values", "fct_value_counts"),
            ("bucket_sums", "fct_bucket_sums"),
            ("cap_tails", "fct_cap_tails"),
            ("categories", "fct_category_counts"),
            ("strata", "fct_stratum_moments"),
        )
    }
    tables = (
        _mart(connection, name, "mart.as_of_date between plan.from_date and plan.to_date")
        for name in ("fct_event_value_counts", "fct_event_clusters")
    )
    events = EventTables(*tables)
    probes = _mart(connection, "fct_metric_probes", "mart.as_of_date between plan.from_date and plan.to_date")
    bandits = _bandits(connection, inputs, plans)
    clusters = read_clusters(connection, _planned_experiments(inputs, plans), metrics)
    switchbacks = read_switchbacks(connection, inputs, plans)
    requested, history = _planned_dates(plans), _earlier_scorecard(connection, inputs, plans)

    def compute(experiments: Experiments, failed: pd.DataFrame | None = None) -> pd.DataFrame:
        blocked = _only_planned(blocked_comparisons(inputs, experiments, dates, probes), plans)
        wanted = requested[requested["experiment_id"].isin(list(experiments))]
        if failed is not None:
            blocked = pd.concat([failed, blocked], ignore_index=True)
        plain = {id_: one for id_, one in experiments.items() if one.compares_units}
        rows = [scorecard(moments, plain, metrics, blocked, wanted, history, **details, events=events)]
        if bandits is not None:
            rows.append(bandits.scorecard(experiments, blocked))
        if clusters is not None:
            rows.append(clusters.scorecard(experiments, moments, blocked, wanted))
        if switchbacks is not None:
            rows.append(switchbacks.scorecard(experiments, blocked))
        return rows[0] if len(rows) == 1 else pd.concat(rows, ignore_index=True)

    frame, failures = isolated(_randomised(inputs, plans), compute)
    for experiment_id, reason in failures.items():
        one = {experiment_id: inputs.config.experiments[experiment_id]}
        as_failed = partial(_failed_metrics, plans=[plan for plan in plans if plan.experiment_id == experiment_id])

        def without(
            failed: Reasons, one: Experiments = one, as_failed: Callable[[Reasons], pd.DataFrame] = as_failed
        ) -> pd.DataFrame:
            return compute(one, as_failed(failed))

        rows, failed = without_failing_metrics(one[experiment_id].metrics.roles, without, reason)
        if rows is None:
            rows = scorecard(moments.iloc[:0], one, metrics, as_failed(failed))
        frame = pd.concat([frame, rows], ignore_index=True)
    return with_calibrations(connection, _only_planned(frame, plans))


def diluted_rows(connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]) -> pd.DataFrame:
    """The effects on everyone of the planned experiments with a trigger; of a computation that fails, no row."""
    experiments = {id_: one for id_, one in _planned_experiments(inputs, plans).items() if one.trigger is not None}
    own = {"ids": [*experiments, *(one.everyone_id for one in experiments.values())]}
    scorecards = connection.execute(
        "select results.* from results.scorecard as results inner join runs.plan as plan using (experiment_id) "
        "where list_contains($ids, experiment_id) and as_of_date between plan.from_date and plan.to_date",
        own,
    ).df()
    moments = connection.execute(
        "select mart.* from marts.fct_metric_moments as mart left join inputs.experiment_triggers as triggers "
        "on mart.experiment_id = triggers.everyone_id inner join runs.plan as plan "
        "on coalesce(triggers.experiment_id, mart.experiment_id) = plan.experiment_id "
        "where list_contains($ids, mart.experiment_id) and as_of_date between plan.from_date and plan.to_date",
        own,
    ).df()
    covariates = _mart(connection, "fct_covariate_moments", "mart.as_of_date between plan.from_date and plan.to_date")
    moments = with_covariates(moments, covariates, inputs.config.metrics)
    frame, _ = isolated(experiments, lambda some: diluted_effects(scorecards, moments, some, inputs.config.metrics))
    return _only_planned(frame, plans)


def _failed_metrics(reasons: Mapping[str, str], plans: list[PlannedBuild]) -> pd.DataFrame:
    """Metrics of one experiment that could not be computed, at its planned dates, as `scorecard` takes them."""
    rows = [
        (day, plan.experiment_id, metric_id, FAILED, reason)
        for plan in plans
        for day in days_between(plan.from_date, plan.to_date)
        for metric_id, reason in reasons.items()
    ]
    columns = ["as_of_date", "experiment_id", "metric_id", "status", "reason"]
    return pd.DataFrame(rows, columns=columns).astype({"as_of_date": "datetime64[us]"})


def _earlier_scorecard(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]
) -> pd.DataFrame | None:
    """The scorecard before the planned dates, of experiments whose results run on from date to date."""
    planned = _planned_experiments(inputs, plans)
    running = [id_ for id_, experiment in planned.items() if experiment.analysis.is_sequential]
    if not running or not has_table(connection, "results", "scorecard"):
        return None
    return connection.execute(
        "select results.* from results.scorecard as results inner join runs.plan as plan using (experiment_id) "
        "where experiment_id in (select unnest($running)) and segment_name = 'all' "
        "and not plan.is_rebuild and results.as_of_date < plan.from_date",
        {"running": running},
    ).df()


def blocked_comparisons(
    inputs: RunInputs, experiments: Experiments, dates: list[date], probes: pd.DataFrame
) -> pd.DataFrame:
    """Metrics that missing days block, days stored without what the metric needs, or amounts in other units."""
    metrics, project = inputs.config.metrics, inputs.config.project
    found = [blocked_metrics(inputs.source_days(), experiments, metrics, dates, project)]
    for (source_id, field), source_days in inputs.days_without_field().items():
        needed = {id_ for id_, metric in metrics.items() if _needs(metric.components, source_id, field)}
        adjusted = {id_ for id_, metric in metrics.items() if _needs(metric.further_covariates, source_id, field)}
        rows = blocked_metrics(source_days, experiments, metrics, dates, project)
        found.append(rows[rows["metric_id"].isin(needed)])
        if adjusted - needed:
            rows = unadjusted_metrics(source_days, experiments, metrics, dates, project)
            found.append(rows[rows["metric_id"].isin(adjusted - needed)])
    own = probes[probes["experiment_id"].isin(list(experiments))]
    found.append(metrics_in_mixed_units(own, thresholds_by_experiment(project, experiments)))
    rows = pd.concat(found, ignore_index=True)
    is_adjustable = (rows["status"] == "no_covariate").to_numpy()
    rows = rows.iloc[
        is_adjustable.argsort(kind="stable")
    ]  # what forbids a result comes before what forbids adjusting it
    return rows.drop_duplicates(["as_of_date", "experiment_id", "metric_id"], ignore_index=True)


def _bandits(connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]) -> BanditData | None:
    def blocked(experiments: Experiments, dates: list[date]) -> pd.DataFrame:
        return blocked_comparisons(inputs, experiments, dates, _mart(connection, "fct_metric_probes"))

    return read_bandits(connection, _planned_experiments(inputs, plans), inputs.config.metrics, plans, blocked)


def bandit_rows(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild], table: str
) -> pd.DataFrame:
    """A table of bandits at the planned as-of dates: `bandit_allocations`, `policy_values` or `bandit_gains`."""
    bandits = _bandits(connection, inputs, plans)
    if bandits is None:
        return pd.DataFrame(columns=list(EMPTY[table])).astype(EMPTY[table])
    rows = {
        "bandit_allocations": bandits.allocation_rows,
        "policy_values": bandits.value_rows,
        "bandit_gains": bandits.gain_rows,
    }
    return rows[table]()


def _needs(components: Iterable[Component], source_id: str, field: str) -> bool:
    return any(
        component.source == source_id
        and (field == f"m_{component.measure}" or field in {f"p_{name}" for name in component.properties})
        for component in components
    )


def health_rows(connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]) -> pd.DataFrame:
    """The health checks of the planned as-of dates; sequential tests see the whole history.

    A broken configuration file and a computation that fails are failed checks of their own. The causes of sample ratio
    mismatches go to `results.srm_causes` beside.
    """
    data = with_allocations(read_health_data(connection, inputs), _bandits(connection, inputs, plans))
    planned = _planned_experiments(inputs, plans)
    data = with_cluster_counts(data, read_clusters(connection, planned, inputs.config.metrics))
    data = with_switchbacks(data, read_switchbacks(connection, inputs, plans))

    def compute(experiments: Experiments) -> pd.DataFrame:
        return health_checks(data, experiments, inputs.config.metrics, inputs.config.project, _dates(plans))

    frame, failures = isolated(_randomised(inputs, plans), compute)
    frame = with_causes(connection, inputs, _only_planned(frame, plans))
    return _with_rows(
        frame,
        [
            {
                "as_of_date": day,
                "experiment_id": experiment_id,
                "check_name": check_name,
                "segment_name": "all",
                "segment_value": "all",
                "severity": "error",
                "passed": False,
                "message": reason,
            }
            for check_name, day, experiment_id, reason in _faults(inputs, plans, failures)
        ],
    )


def decision_rows(connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]) -> pd.DataFrame:
    """The decision of each planned as-of date, from all scorecard and health rows so far.

    A broken configuration file and a decision that fails are `invalid`, and say why.
    """
    scorecards, health, mixes, trends = (
        connection.execute(
            f"select results.* from results.{table} as results inner join runs.plan using (experiment_id)"
        ).df()
        for table in ("scorecard", "health_checks", "segment_mixes", "effect_trends")
    )

    planned = _randomised(inputs, plans)
    factorial = read_factorial_effects(connection, planned)

    def compute(experiments: Experiments) -> pd.DataFrame:
        return decisions(
            scorecards, health, experiments, inputs.config.metrics, _dates(plans), mixes, trends, factorial
        )

    frame, failures = isolated(planned, compute)
    if quasi := _quasi(inputs, plans):
        rows, failed = isolated(
            quasi, lambda experiments: quasi_decision_rows(connection, inputs, experiments, _dates(plans))
        )
        frame, failures = pd.concat([frame, rows], ignore_index=True), failures | failed
    frame = _only_planned(frame, plans)
    return _with_rows(
        frame,
        [
            {
                "as_of_date": day,
                "experiment_id": experiment_id,
                "recommendation": "invalid",
                "rule": kind,
                "reasons": json.dumps([{"rule": kind, "outcome": "invalid", "message": reason}]),
                "summary": f"No decision: {reason}",
            }
            for kind, day, experiment_id, reason in _faults(inputs, plans, failures)
        ],
    )


def monitor_rows(connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]) -> pd.DataFrame:
    """What the rollback monitor sees at each planned as-of date; of a computation that fails, `decisions` says why."""
    scorecards = connection.execute(
        "select results.* from results.scorecard as results inner join runs.plan using (experiment_id)"
    ).df()
    frame, _ = isolated(
        _randomised(inputs, plans),
        lambda experiments: rollback_monitor(scorecards, experiments, inputs.config.metrics),
    )
    return _only_planned(frame, plans)


def event_rows(connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]) -> pd.DataFrame:
    """The lifecycle events of the planned experiments, from all their decisions so far.

    One of a date before the planned ones is written again as it was: so also a state whose decisions are older than
    this table has it.
    """
    found = connection.execute(
        "select results.* from results.decisions as results inner join runs.plan using (experiment_id)"
    ).df()
    frame, _ = isolated(
        _planned_experiments(inputs, plans),
        lambda experiments: lifecycle_events(found[found["experiment_id"].isin(list(experiments))], experiments),
    )
    return frame


def provenance_rows(inputs: RunInputs, plans: list[PlannedBuild]) -> pd.DataFrame:
    """Configuration hash, code version, input watermark and digest of every planned as-of date."""
    rows = []
    for plan in plans:
        sources = inputs.sources_of(plan.experiment_id)
        first = first_log_date(inputs.config, inputs.config.experiments[plan.experiment_id])
        days = days_between(plan.from_date, plan.to_date)
        digests = input_digests(inputs.partition_hashes, sources, first, days)
        for day, digest in zip(days, digests, strict=True):
            watermark = input_watermark(inputs.day_statuses, sources, day)
            rows.append(
                {
                    "as_of_date": pd.Timestamp(day),
                    "experiment_id": plan.experiment_id,
                    "config_hash": inputs.config_hashes[plan.experiment_id],
                    "code_version": code_version(),
                    "input_watermark": watermark.isoformat() if watermark else "",
                    "input_digest": digest,
                }
            )
    columns = ["experiment_id", *PROVENANCE]
    return pd.DataFrame(rows, columns=["as_of_date", *columns]).astype(
        {"as_of_date": "datetime64[us]"} | dict.fromkeys(columns, "str")
    )


def _faults(
    inputs: RunInputs, plans: list[PlannedBuild], failures: Mapping[str, str]
) -> list[tuple[str, date, str, str]]:
    """(kind, as-of date, experiment, reason) of what could not be computed, and of broken configuration files."""
    computations = [
        ("computation", day, plan.experiment_id, failures[plan.experiment_id])
        for plan in plans
        if plan.experiment_id in failures
        for day in days_between(plan.from_date, plan.to_date)
    ]
    return computations + [
        ("configuration", inputs.requested[1], name, reason) for name, reason in inputs.broken.items()
    ]


def _with_rows(frame: pd.DataFrame, rows: list[dict[str, object]]) -> pd.DataFrame:
    if not rows:
        return frame
    extra = pd.DataFrame(rows).reindex(columns=frame.columns)
    extra["as_of_date"] = pd.to_datetime(extra["as_of_date"])
    return pd.concat([frame, extra.astype(frame.dtypes.to_dict())], ignore_index=True)


def _planned_experiments(inputs: RunInputs, plans: list[PlannedBuild]) -> dict[str, Experiment]:
    return {plan.experiment_id: inputs.config.experiments[plan.experiment_id] for plan in plans}


def _randomised(inputs: RunInputs, plans: list[PlannedBuild]) -> dict[str, Experiment]:
    """Those that have arms to compare; a quasi-experiment has tables of its own."""
    return {id_: one for id_, one in _planned_experiments(inputs, plans).items() if not one.is_quasi}


def _quasi(inputs: RunInputs, plans: list[PlannedBuild]) -> dict[str, Experiment]:
    return {id_: one for id_, one in _planned_experiments(inputs, plans).items() if one.is_quasi}


def _dates(plans: list[PlannedBuild]) -> list[date]:
    return sorted({day for plan in plans for day in days_between(plan.from_date, plan.to_date)})


def _planned_dates(plans: list[PlannedBuild]) -> pd.DataFrame:
    pairs = [
        (pd.Timestamp(day), plan.experiment_id) for plan in plans for day in days_between(plan.from_date, plan.to_date)
    ]
    frame = pd.DataFrame(pairs, columns=["as_of_date", "experiment_id"])
    return frame.astype({"as_of_date": "datetime64[us]", "experiment_id": "str"})


def _only_planned(frame: pd.DataFrame, plans: list[PlannedBuild]) -> pd.DataFrame:
    return frame.merge(_planned_dates(plans), on=["as_of_date", "experiment_id"], how="inner")


def _mart(connection: duckdb.DuckDBPyConnection, name: str, condition: str = "true") -> pd.DataFrame:
    return connection.execute(
        f"select mart.* from marts.{name} as mart inner join runs.plan as plan using (experiment_id) where {condition}"
    ).df()


BANDIT_TABLES = {table: partial(bandit_rows, table=table) for table in EMPTY}
