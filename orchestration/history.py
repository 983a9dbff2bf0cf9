"""What planning learns from the project's own published results, or is given: baselines, variances, traffic."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from analysis.planning import plan, power_curves
from analysis.statistics.registry import SHARE_TYPES
from configs.load import load_config
from configs.problems import did_you_mean
from configs.schema import Config, Experiment, Metric
from orchestration.cluster_history import cluster_history, given_clusters, with_clusters
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
    where
        segment_name = 'all' and variance_reduction is not null
        -- What strata take away says nothing of covariates, nor they of strata.
        and contains(method, 'post_stratified') = $is_stratified
    group by all
),

-- A quantile's moments are of units' values, or of their numbers of events: its own are in the scorecard.
quantiles as (
    select
        metric_id,
        experiment_id,
        as_of_date,
        max(baseline_mean) as quantile,
        avg(effect_se_pooled * effect_se_pooled / (1 / n_baseline + 1 / n_treatment)) as quantile_variance
    from scorecard
    where segment_name = 'all' and list_contains(['quantile', 'event_quantile'], method)
    group by all
)

select
    metric_id,
    experiment_id as history_experiment_id,
    as_of_date as history_as_of_date,
    case
        when quantiles.metric_id is not null then quantile
        when denominator_mean is null then mean
        else mean / nullif(denominator_mean, 0)
    end as mean,
    case
        when quantiles.metric_id is not null then quantile_variance
        when denominator_mean is null then variance
        else (
            variance - 2 * mean / denominator_mean * denominator_covariance
            + (mean / denominator_mean) * (mean / denominator_mean) * denominator_variance
        ) / nullif(denominator_mean * denominator_mean, 0)
    end as variance,
    coalesce(variance_reduction, 0) as variance_reduction
from baselines
left join reductions using (metric_id, experiment_id, as_of_date)
left join quantiles using (metric_id, experiment_id, as_of_date)
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


HISTORY_COLUMNS = {
    "metric_id": "str",
    "history_experiment_id": "str",
    "history_as_of_date": "datetime64[us]",
    "mean": "float64",
    "variance": "float64",
    "variance_reduction": "float64",
}
GIVEN = "given"


class NoHistoryError(LookupError):
    """The project has no published results to plan from."""


class BaselineError(ValueError):
    """A baseline given by hand cannot be used."""


@dataclass(frozen=True)
class Baseline:
    """A metric's mean and variance of a unit, and the share of it that covariates take away."""

    mean: float
    variance: float
    variance_reduction: float = 0.0


@dataclass(frozen=True)
class Traffic:
    """New units a day that entered an earlier experiment on the same exposure source."""

    units_per_day: float
    experiment_id: str


@dataclass(frozen=True)
class PlanInputs:
    """All that a plan is computed from; `history` has HISTORY_COLUMNS, a row per metric that is known."""

    experiment: Experiment
    metrics: Mapping[str, Metric]
    history: pd.DataFrame
    units_per_day: float

    def plan(self) -> pd.DataFrame:
        """`analysis.planning.plan`, and for each metric where its baseline comes from."""
        frame = plan(self.experiment, self.metrics, self.history, self.units_per_day)
        origin = self.history[["metric_id", "history_experiment_id", "history_as_of_date"]]
        return frame.merge(origin, on="metric_id", how="left").assign(units_per_day=self.units_per_day)

    def power_curves(self) -> pd.DataFrame:
        """`analysis.planning.power_curves`."""
        return power_curves(self.experiment, self.metrics, self.history, self.units_per_day)


def require_arms(experiment: Experiment) -> None:
    """Raise NoHistoryError where units have no random arms: there is nothing to size by units, or to draw anew."""
    if experiment.switchback is not None:
        raise NoHistoryError(f"{experiment.id} is a switchback: plans and rehearsals are of units, not of blocks")
    if experiment.is_quasi:
        raise NoHistoryError(f"{experiment.id} is a quasi-experiment: plans and rehearsals are of randomised arms")


def plan_inputs(
    workspace: Workspace,
    experiment_id: str,
    units_per_day: float | None = None,
    given: Iterable[str] = (),
    clusters: Iterable[str] = (),
) -> PlanInputs:
    """What to plan an experiment from: baselines `given` ("metric=mean,variance"), the others from history.

    Those are of the metric's latest published experiment, the planned one's own first; so is the traffic, and so are
    correlations within clusters, where these are randomised and `clusters` ("metric=icc,clusters") gives none.
    Raises ConfigError for a broken configuration, BaselineError, and NoHistoryError when something is neither
    given nor known.
    """
    config = load_config(workspace.configs)
    if experiment_id not in config.experiments:
        raise NoHistoryError(
            f"no experiment {experiment_id!r}; there are: {', '.join(sorted(config.experiments)) or 'none'}"
        )
    experiment = config.experiments[experiment_id]
    require_arms(experiment)
    baselines = dict(_parsed(text, experiment, config.metrics) for text in given)
    try:
        correlations = given_clusters(clusters, experiment)
    except ValueError as error:
        raise BaselineError(str(error)) from error
    run = current_run(workspace.state)
    if run is None and (units_per_day is None or not experiment.metrics.roles.keys() <= baselines.keys()):
        raise NoHistoryError(
            f"{workspace.state}: no results to plan from; run `equipoise run --date YYYY-MM-DD`, or give"
            " --units-per-day and for every metric --baseline METRIC=MEAN,VARIANCE"
        )
    history = pd.DataFrame(columns=list(HISTORY_COLUMNS)).astype(HISTORY_COLUMNS)
    if run is not None:
        history, known = _published(run, config, experiment_id, needs_traffic=units_per_day is None)
        units_per_day = units_per_day or known
    own = [(id_, GIVEN, pd.NaT, one.mean, one.variance, one.variance_reduction) for id_, one in baselines.items()]
    rows = pd.DataFrame(own, columns=list(HISTORY_COLUMNS)).astype(HISTORY_COLUMNS)
    kept = history[~history["metric_id"].isin(list(baselines))]
    history = pd.concat([rows, kept], ignore_index=True) if len(kept) else rows
    if experiment.cluster is not None:
        if run is not None:
            with open_results(run) as connection:
                correlations = cluster_history(connection, experiment) | correlations
        history = with_clusters(history, correlations)
    return PlanInputs(experiment, config.metrics, history, float(units_per_day or 0))


def _published(
    run: Path, config: Config, experiment_id: str, *, needs_traffic: bool
) -> tuple[pd.DataFrame, float | None]:
    with open_results(run) as connection:
        is_stratified = config.experiments[experiment_id].analysis.adjustment == "post_stratification"
        parameters = {"experiment": experiment_id, "is_stratified": is_stratified}
        history = connection.execute(BASELINES, parameters).df()
        traffic = _traffic(connection, config, experiment_id).units_per_day if needs_traffic else None
    return history[list(HISTORY_COLUMNS)].astype(HISTORY_COLUMNS), traffic


def _parsed(text: str, experiment: Experiment, metrics: Mapping[str, Metric]) -> tuple[str, Baseline]:
    """A metric's id and baseline from "metric=mean,variance,variance_reduction"; a share needs its mean alone."""
    metric_id, _, figures = (part.strip() for part in text.partition("="))
    if metric_id not in experiment.metrics.roles:
        hint = did_you_mean(metric_id, experiment.metrics.roles, "metrics of this experiment")
        raise BaselineError(f"--baseline {text}: {metric_id!r} isn't a metric of {experiment.id}{hint}")
    try:
        numbers = [float(figure) for figure in figures.split(",")]
    except ValueError:
        numbers = []
    is_share = metrics[metric_id].type in SHARE_TYPES
    if not (1 if is_share else 2) <= len(numbers) <= 3 or not all(math.isfinite(number) for number in numbers):
        form = "MEAN" if is_share else "MEAN,VARIANCE"
        raise BaselineError(f"--baseline {text}: expected {metric_id}={form}, and perhaps the variance reduction third")
    mean = numbers[0]
    if is_share and not 0 <= mean <= 1:
        raise BaselineError(f"--baseline {text}: {metric_id!r} is a share between 0 and 1")
    variance = numbers[1] if len(numbers) > 1 else mean * (1 - mean)
    reduction = numbers[2] if len(numbers) > 2 else 0.0
    if variance < 0 or not 0 <= reduction < 1:
        raise BaselineError(f"--baseline {text}: a variance is at least 0, its reduction a share below 1")
    return metric_id, Baseline(mean, variance, reduction)


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
