"""Scorecards of many simulated experiments at once, with correlated metrics, and how many of them ship."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import ndtr, ndtri

from analysis.decisions import decisions
from configs.schema import Experiment, Metric
from tests.analysis.decisions.examples import BASELINE_MEAN, DUE, METRICS, scorecard_frame

MARGIN = 0.5
N_END = 5_000


def recommendations(
    subject: Experiment, true_z: Mapping[str, float], se: float, generator: np.random.Generator, *,
    runs: int, looks: int = 1, correlation: float = 0.5,
) -> pd.Series:  # fmt: skip
    """The recommendation of each simulated experiment at its deciding date.

    `true_z` is each metric's true effect in final standard errors `se`, the same in every treatment; estimates
    correlate by `correlation` between metrics and by .5 between treatments (their shared baseline). With several
    `looks` the days before the last have rows too, with units in proportion, from independent increments.
    """
    metric_ids, arms = list(subject.metrics.roles), [variant.id for variant in subject.treatments]
    between = np.full((len(metric_ids),) * 2, correlation) + (1 - correlation) * np.eye(len(metric_ids))
    shared = np.full((len(arms),) * 2, 0.5) + 0.5 * np.eye(len(arms))
    size = len(metric_ids) * len(arms)
    steps = generator.multivariate_normal(np.zeros(size), np.kron(between, shared), (runs, looks))
    share = np.arange(1, looks + 1) / looks
    z = np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, looks + 1))[None, :, None]
    drift = np.repeat([true_z[id_] for id_ in metric_ids], len(arms))
    z = z + np.sqrt(share)[None, :, None] * drift
    days = [DUE - pd.Timedelta(days=looks - 1 - look) for look in range(looks)]
    index = pd.MultiIndex.from_product([range(runs), range(looks), metric_ids, arms]).to_frame(index=False)
    index.columns = ["run", "look", "metric_id", "variant_id"]
    at_look, n = se / np.sqrt(share[index["look"]]), np.rint(N_END * share[index["look"]])
    effect = z.ravel() * at_look
    sign = index["metric_id"].map({id_: 1 if METRICS[id_].direction == "increase" else -1 for id_ in metric_ids})
    half, plain = (at_look * ndtri(1 - 0.05 / 2 / m) for m in (len(subject.metrics.primary) * len(arms), 1))
    better = sign * effect / at_look
    loss = at_look * (stats.norm.pdf(better) - better * ndtr(-better)) / BASELINE_MEAN
    rows = index.assign(
        as_of_date=np.array(days, dtype="datetime64[us]")[index["look"]], experiment_id="e" + index["run"].astype(str),
        segment_name="all", segment_value="all", status="ok", reason="", n_baseline=n, n_treatment=n, effect=effect,
        baseline_mean=BASELINE_MEAN, treatment_mean=BASELINE_MEAN, effect_se=at_look, effect_se_pooled=at_look,
        effect_relative=effect / BASELINE_MEAN, ci_low=effect - plain, ci_high=effect + plain,
        ci_low_adjusted=effect - half, ci_high_adjusted=effect + half, p_value=2 * ndtr(-np.abs(effect / at_look)),
        p_value_non_inferiority=ndtr(-(sign * effect + MARGIN) / at_look), p_value_deterioration=ndtr(better),
        margin=MARGIN, margin_type="absolute", probability_better=ndtr(better), expected_loss_relative=loss,
    )  # fmt: skip
    experiments = {f"e{run}": subject.model_copy(update={"id": f"e{run}"}) for run in range(runs)}
    return final_recommendations(scorecard_frame(rows.to_dict("list")), experiments)


def final_recommendations(
    scorecard: pd.DataFrame, experiments: Mapping[str, Experiment], metrics: Mapping[str, Metric] = METRICS
) -> pd.Series:
    """What holds at the last as-of date, every health check passing."""
    days = scorecard["as_of_date"].unique()
    health = pd.DataFrame(
        {
            "as_of_date": np.repeat(days, len(experiments)), "experiment_id": list(experiments) * len(days),
            "check_name": "any", "severity": "error", "passed": True, "statistic": 0.0, "threshold": 0.0,
            "message": "",
        }
    )  # fmt: skip
    frame = decisions(scorecard, health, experiments, metrics, [max(days).date()])
    assert len(frame) == len(experiments)
    return frame["recommendation"]
