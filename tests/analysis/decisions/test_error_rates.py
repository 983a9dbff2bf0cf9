"""False ships and power of the whole rule, from simulated correlated estimates."""

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import ndtr, ndtri

from analysis.decisions import decisions
from analysis.statistics.power import per_test_power
from configs.schema import Experiment
from tests.analysis.decisions.examples import BASELINE_MEAN, DUE, METRICS, make_experiment, scorecard_frame

RUNS = 2_000
MARGIN = 0.5


def shipped(subject: Experiment, true_z: dict[str, float], se: float, seed: int) -> float:
    """Share of simulated experiments that ship.

    `true_z` is each metric's true effect in standard errors, the same in every treatment; estimates correlate
    by .5 between metrics and by .5 between treatments (their shared baseline).
    """
    generator = np.random.default_rng(seed)
    metric_ids, arms = list(subject.metrics.roles), [variant.id for variant in subject.treatments]
    between = np.full((len(metric_ids),) * 2, 0.5) + 0.5 * np.eye(len(metric_ids))
    shared = np.full((len(arms),) * 2, 0.5) + 0.5 * np.eye(len(arms))
    noise = generator.multivariate_normal(np.zeros(len(metric_ids) * len(arms)), np.kron(between, shared), RUNS)
    z = noise.reshape(RUNS, len(metric_ids), len(arms)) + np.array([true_z[id_] for id_ in metric_ids])[:, None]
    index = pd.MultiIndex.from_product([range(RUNS), metric_ids, arms]).to_frame(index=False)
    index.columns = ["run", "metric_id", "variant_id"]
    effect = z.ravel() * se
    sign = index["metric_id"].map({id_: 1 if METRICS[id_].direction == "increase" else -1 for id_ in metric_ids})
    half = se * ndtri(1 - 0.05 / 2 / (len(subject.metrics.primary) * len(arms)))
    rows = index.assign(
        as_of_date=pd.Timestamp(DUE), experiment_id="e" + index["run"].astype("str"), segment_name="all",
        segment_value="all", status="ok", reason="", n_baseline=5_000, n_treatment=5_000, effect=effect,
        baseline_mean=BASELINE_MEAN, effect_se=se, effect_se_pooled=se, effect_relative=effect / BASELINE_MEAN,
        ci_low_adjusted=effect - half, ci_high_adjusted=effect + half, p_value=2 * ndtr(-np.abs(effect / se)),
        p_value_non_inferiority=ndtr(-(sign * effect + MARGIN) / se), p_value_deterioration=ndtr(sign * effect / se),
    )  # fmt: skip
    experiments = {f"e{run}": subject.model_copy(update={"id": f"e{run}"}) for run in range(RUNS)}
    health = pd.DataFrame(
        {
            "as_of_date": pd.Timestamp(DUE), "experiment_id": list(experiments), "check_name": "any",
            "severity": "error", "passed": True, "statistic": 0.0, "threshold": 0.0, "message": "",
        }
    )  # fmt: skip
    frame = decisions(scorecard_frame(rows.to_dict("records")), health, experiments, METRICS, [DUE])
    return float((frame["recommendation"] == "ship").mean())


def upper_bound(rate: float) -> float:
    """What a share of RUNS stays below with 99.9 % if its true rate is `rate`."""
    return float(stats.binom.ppf(0.999, RUNS, rate)) / RUNS


def test_without_any_effect_the_chance_to_ship_is_at_most_half_alpha() -> None:
    """Two primaries × two treatments: α is two-sided, so .025 of it ships."""
    subject = make_experiment(primary=["conversion", "revenue"], treatments=["b", "c"])
    assert shipped(subject, {"conversion": 0, "revenue": 0}, 0.1, seed=1) <= upper_bound(0.025)


def test_a_guardrail_at_its_margin_lets_a_sure_win_ship_at_most_with_alpha() -> None:
    """Two guardrails, one of them exactly at its margin, the win eight standard errors."""
    subject = make_experiment(guardrail=["visits", "revenue"])
    true = {"conversion": 8.0, "visits": -5.0, "revenue": 0.0}
    assert shipped(subject, true, 0.1, seed=2) <= upper_bound(0.05)


def test_the_planned_power_is_kept_with_guardrails_and_deterioration_tests() -> None:
    """Each test planned at 1 − (β − α_d)/(G + 1) = .9417: at least .8 of the good treatments ship."""
    subject = make_experiment(guardrail=["visits", "revenue"], secondary=["latency"])
    z_power = float(ndtri(per_test_power(0.8, 0.025, 2)))
    se = MARGIN / (ndtri(0.95) + z_power)
    true = {"conversion": ndtri(0.975) + z_power, "visits": 0.0, "revenue": 0.0, "latency": 0.0}
    rate = shipped(subject, true, float(se), seed=3)
    assert rate >= float(stats.binom.ppf(0.001, RUNS, 0.8)) / RUNS
