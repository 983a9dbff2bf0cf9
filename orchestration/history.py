"""What planning learns from the project's own published results: baselines, variances, traffic."""

from dataclasses import dataclass
from datetime import date

import duckdb
import pandas as pd

from analysis.planning import plan
from configs.load import load_config
from configs.schema import Config
from orchestration.planning import exposure_source_of
from orchestration.publish import current_run
from orchestration.published import open_results
from orchestration.workspace import Workspace

BASELINES = """
with latest as (
    select metric_id, experiment_id, max(as_of_date) as as_of_date
    from metric_moments
    where segment_name = 'all' and n_units > 1 and mean is not null
    group by metric_id, experiment_id
),

ranked as (
    select *, row_number() over (
        partition by metric_id
        order by experiment_id = $experiment desc, as_of_date desc, experiment_id
    ) as recency
    from latest
),

baselines as (
    select moments.*
    from metric_moments as moments
    inner join ranked
        on moments.metric_id = ranked.metric_id and moments.experiment_id = ranked.experiment_id
        and moments.as_of_date = ranked.as_of_date and ranked.recency = 1
    inner join (select distinct experiment_id, baseline_id from scorecard) as arms
        on moments.experiment_id = arms.experiment_id and moments.variant_id = arms.baseline_id
    where moments.segment_name = 'all'
),

reductions as (
    select metric_id, experiment_id, as_of_date, avg(variance_reduction) as variance_reduction
    from scorecard
    where segment_name = 'all' and variance_reduction is not null
    group by all
)

select
    metric_id,
    experiment_id as history_experiment_id,
    as_of_date as history_as_of_date,
    case when denominator_mean is null then mean else mean / nullif(denominator_mean, 0) end as mean,
    case
        when denominator_mean is null then variance
        else (
            variance - 2 * mean / denominator_mean * denominator_covariance
            + (mean / denominator_mean) * (mean / denominator_mean) * denominator_variance
        ) / nullif(denominator_mean * denominator_mean, 0)
    end as variance,
    coalesce(variance_reduction, 0) as variance_reduction
from baselines
left join reductions using (metric_id, experiment_id, as_of_date)
order by metric_id
"""

TRAFFIC = """
select experiment_id, as_of_date, sum(n_units + n_mixed_excluded) as n_units
from exposure_counts
where segment_name = 'all' and list_contains($experiments, experiment_id)
group by experiment_id, as_of_date
qualify as_of_date = max(as_of_date) over (partition by experiment_id)
order by experiment_id = $experiment desc, as_of_date desc, experiment_id
limit 1
"""


class NoHistoryError(LookupError):
    """The project has no published results to plan from."""


@dataclass(frozen=True)
class Traffic:
    """New units a day that entered an earlier experiment on the same exposure source."""

    units_per_day: float
    experiment_id: str


def plan_experiment(workspace: Workspace, experiment_id: str, units_per_day: float | None = None) -> pd.DataFrame:
    """The plan of an experiment: `analysis.planning.plan`, and for each metric where its history comes from.

    Baselines are those of the metric's latest published experiment, the planned one's own first.
    Raises ConfigError for a broken configuration, NoHistoryError when there is nothing to plan from.
    """
    config = load_config(workspace.configs)
    if experiment_id not in config.experiments:
        raise NoHistoryError(
            f"no experiment {experiment_id!r}; there are: {', '.join(sorted(config.experiments)) or 'none'}"
        )
    run = current_run(workspace.state)
    if run is None:
        raise NoHistoryError(f"{workspace.state}: no results to plan from; run `equipoise run --date YYYY-MM-DD`")
    with open_results(run) as connection:
        history = connection.execute(BASELINES, {"experiment": experiment_id}).df()
        if units_per_day is None:
            units_per_day = _traffic(connection, config, experiment_id).units_per_day
    frame = plan(config.experiments[experiment_id], config.metrics, history, units_per_day)
    origin = history[["metric_id", "history_experiment_id", "history_as_of_date"]]
    return frame.merge(origin, on="metric_id", how="left").assign(units_per_day=units_per_day)


def _traffic(connection: duckdb.DuckDBPyConnection, config: Config, experiment_id: str) -> Traffic:
    source = exposure_source_of(config, config.experiments[experiment_id])
    siblings = [e.id for e in config.experiments.values() if exposure_source_of(config, e) == source]
    row = connection.execute(TRAFFIC, {"experiments": siblings, "experiment": experiment_id}).fetchone()
    if row is None or not row[2]:
        raise NoHistoryError(
            f"no experiment on exposure source {source!r} has results yet; give the traffic with --units-per-day"
        )
    found, as_of, n_units = row
    return Traffic(n_units / _days_exposed(config, found, as_of), found)


def _days_exposed(config: Config, experiment_id: str, as_of: date) -> int:
    experiment = config.experiments[experiment_id]
    return (min(as_of, experiment.end) - experiment.start).days + 1
