"""Quasi-experiments: their studies of the planned as-of dates, one metric never stopping another."""

from collections.abc import Iterator, Mapping
from datetime import date

import duckdb
import pandas as pd

from analysis.completeness import INCOMPLETE, SourceDays, list_gaps
from analysis.quasi.deciding import quasi_decisions
from analysis.quasi.panels import PanelTooLargeError
from analysis.quasi.pyfixest_models import MissingPackageError
from analysis.quasi.studies import study_metric
from analysis.quasi.study import FAILED, Study, failure
from analysis.quasi.tables import check_table, estimate_table
from configs.schema import Experiment, Metric
from orchestration import isolation
from orchestration.inputs import RunInputs
from orchestration.partitions import days_between
from orchestration.planning import PlannedBuild
from orchestration.warehouse import replace_planned

ESTIMATES, CHECKS = "quasi_estimates", "quasi_checks"


def quasi_estimate_rows(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]
) -> pd.DataFrame:
    """The estimates of the planned quasi-experiments; their checks go to `results.quasi_checks` beside."""
    planned = [plan for plan in plans if inputs.config.experiments[plan.experiment_id].is_quasi]
    studies = {key: study for plan in planned for key, study in _studies(connection, inputs, plan)}
    replace_planned(connection, CHECKS, check_table(studies))
    return estimate_table(studies, inputs.config.experiments, inputs.config.metrics)


def quasi_decision_rows(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, experiments: Mapping[str, Experiment], dates: list[date]
) -> pd.DataFrame:
    """The decisions of quasi-experiments, from their estimates and checks."""
    estimates, checks = (
        connection.execute(
            f"select results.* from results.{table} as results inner join runs.plan using (experiment_id)"
        ).df()
        for table in (ESTIMATES, CHECKS)
    )
    return quasi_decisions(estimates, checks, experiments, inputs.config.metrics, dates)


def _studies(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plan: PlannedBuild
) -> Iterator[tuple[tuple[date, str, str], Study]]:
    experiment, metrics = inputs.config.experiments[plan.experiment_id], inputs.config.metrics
    rows = group_days(connection, experiment)
    sources = _source_days(inputs, experiment)
    late = inputs.config.project.late_arrival_days
    for as_of in days_between(plan.from_date, plan.to_date):
        for metric_id in experiment.metrics.roles:
            gap = _missing_logs(sources, experiment, metrics, metric_id, as_of, late)
            yield (
                (as_of, experiment.id, metric_id),
                (failure(INCOMPLETE, gap) if gap else _study(rows, experiment, metrics, metric_id, as_of)),
            )


def _study(
    rows: Mapping[str, pd.DataFrame],
    experiment: Experiment,
    metrics: Mapping[str, Metric],
    metric_id: str,
    as_of: date,
) -> Study:
    try:
        return study_metric(rows, experiment, metrics, metric_id, as_of)
    except (MissingPackageError, PanelTooLargeError) as error:
        return failure(FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - whatever one metric provokes must not reach the others
        return failure(FAILED, isolation.failure(error))


def group_days(connection: duckdb.DuckDBPyConnection, experiment: Experiment) -> dict[str, pd.DataFrame]:
    """The mart's rows of an experiment by metric, in one order; none of a metric without events."""
    frame = connection.execute(
        "select * from marts.fct_group_days where experiment_id = ? order by all", [experiment.id]
    ).df()
    return {id_: frame[frame["metric_id"] == id_] for id_ in experiment.metric_ids}


def _source_days(inputs: RunInputs, experiment: Experiment) -> list[tuple[str | None, SourceDays]]:
    """What is known of log dates; for each (field, of a source) that some stored days lack, with these failed."""
    known: list[tuple[str | None, SourceDays]] = [(None, SourceDays(inputs.source_days()))]
    group = getattr(experiment.design, "group", None)
    for (source_id, field), frame in inputs.days_without_field().items():
        own = SourceDays(frame[frame["source_id"] == source_id])
        known.append((f"{source_id}.{field}" if field != f"p_{group}" else f"{source_id}.*", own))
    return known


def _missing_logs(
    sources: list[tuple[str | None, SourceDays]],
    experiment: Experiment,
    metrics: Mapping[str, Metric],
    metric_id: str,
    as_of: date,
    late: int,
) -> str:
    """Which log dates are missing that the metric or the design stands on; nothing where all are there."""
    needed = {metric_id, *(experiment.design.metrics if experiment.design else ())}
    parts = [part for id_ in needed for part in metrics[id_].components]
    last = min(as_of, experiment.end + pd.Timedelta(days=late).to_pytimedelta())
    gaps = []
    for field, known in sources:
        for part in parts:
            own = {f"{part.source}.m_{part.measure}", f"{part.source}.*"}
            own |= {f"{part.source}.p_{name}" for name in part.properties}
            if field is None or field in own:
                gaps += known.gaps(part.source, experiment.start, last)
    return f"logs are missing: {list_gaps(gaps)}" if gaps else ""
