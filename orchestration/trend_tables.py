"""Trends of effects over days since exposure, at the as-of date whose moments of days there are."""

from dataclasses import replace

import duckdb
import pandas as pd

from analysis.heterogeneity.columns import TREND_COLUMNS, failed_rows
from analysis.heterogeneity.effect_trends import SLOPE, WEEKS, effect_trends
from configs.schema import Experiment, Window
from orchestration.inputs import RunInputs
from orchestration.isolation import Experiments, isolated
from orchestration.planning import PlannedBuild
from orchestration.result_tables import blocked_comparisons


def effect_trend_rows(
    connection: duckdb.DuckDBPyConnection, inputs: RunInputs, plans: list[PlannedBuild]
) -> pd.DataFrame:
    """Two rows for each comparison of the planned experiments with `trends`; what fails is `failed`."""
    latest = {plan.experiment_id: plan.latest_date for plan in plans}
    followed = {id_: inputs.config.experiments[id_] for id_ in latest if inputs.config.experiments[id_].trends}
    days, probes = (_latest(connection, name) for name in ("fct_day_moments", "fct_metric_probes"))
    looks = pd.DataFrame(
        {"as_of_date": pd.to_datetime([latest[id_] for id_ in followed]), "experiment_id": list(followed)}
    ).astype({"as_of_date": "datetime64[us]", "experiment_id": "str"})

    def compute(experiments: Experiments) -> pd.DataFrame:
        blocked = [
            blocked_comparisons(_over_days(inputs, one), {id_: one}, [latest[id_]], probes)
            for id_, one in experiments.items()
        ]
        nothing = blocked_comparisons(inputs, {}, [], probes)
        wanted = looks[looks["experiment_id"].isin(list(experiments))]
        forbidden = pd.concat([nothing, *blocked], ignore_index=True)
        return effect_trends(days, experiments, inputs.config.metrics, forbidden, wanted)

    frame, failures = isolated(followed, compute)
    failed = [_failed(followed[id_], latest[id_], reason) for id_, reason in failures.items()]
    return pd.concat([frame, *failed], ignore_index=True)


def _over_days(inputs: RunInputs, experiment: Experiment) -> RunInputs:
    """The same with metrics over the days of the trend, on whose logs it stands whatever the metrics' own windows."""
    days = experiment.trends.days if experiment.trends else 0
    metrics = {
        id_: metric.model_copy(update={"window": Window(start_days=0, end_days=days)})
        for id_, metric in inputs.config.metrics.items()
    }
    return replace(inputs, config=inputs.config.model_copy(update={"metrics": metrics}))


def _latest(connection: duckdb.DuckDBPyConnection, mart: str) -> pd.DataFrame:
    return connection.execute(
        f"select mart.* from marts.{mart} as mart inner join runs.plan as plan using (experiment_id) "
        "where mart.as_of_date = plan.latest_date"
    ).df()


def _failed(experiment: Experiment, as_of: object, reason: str) -> pd.DataFrame:
    heads = pd.DataFrame(
        [
            (as_of, experiment.id, metric_id, role, variant.id, experiment.baseline.id, term)
            for metric_id, role in experiment.metrics.roles.items()
            for variant in experiment.treatments
            for term in (SLOPE, WEEKS)
        ],
        columns=["as_of_date", "experiment_id", "metric_id", "role", "variant_id", "baseline_id", "term"],
    )
    return failed_rows(heads, reason, TREND_COLUMNS)
