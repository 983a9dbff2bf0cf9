"""False ships and power when a decision may fall at any of 14 looks: from moments through the scorecard.

Process: normal values of unit variance, 400 new units an arm and day, two primaries and a guardrail of which each
unit's values correlate by .5; bounds are 99.9 % binomial bounds at 120 experiments, 2,000 with the slow tests.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.decisions import RULES
from analysis.planning import plan
from analysis.scorecard import scorecard
from configs.schema import Experiment, Metric
from tests.analysis.decisions import examples
from tests.analysis.decisions.simulated import final_recommendations, lower_bound, upper_bound
from tests.analysis.decisions.test_from_moments import NOTHING_BLOCKED, OPTIONAL

RUNS = [120, pytest.param(2_000, marks=pytest.mark.slow)]
DECIDING = ["risk_aware", pytest.param("clear_signals", marks=pytest.mark.slow)]
DAYS, A_DAY, MEAN = 14, 400, 10.0
PLANNED_UNITS = 2 * DAYS * A_DAY
METRICS = ("revenue", "visits", "latency")
METHODS = {
    "always_valid": {"method": "always_valid", "always_valid": {"planned_units": PLANNED_UNITS}},
    "group_sequential": {
        "method": "group_sequential",
        "correction": "bonferroni",
        "group_sequential": {"planned_units": PLANNED_UNITS},
    },
}


@pytest.fixture(autouse=True)
def with_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Group sequential methods take no open-ended metric; a window of a day delays the decision by one."""
    windowed = {
        id_: metric if metric.window else metric.model_copy(update={"window": examples.METRICS["conversion"].window})
        for id_, metric in examples.METRICS.items()
    }
    for id_, metric in windowed.items():
        monkeypatch.setitem(examples.METRICS, id_, metric)


def make(method: str, **options: Any) -> Experiment:
    return examples.make_experiment(**({"primary": METRICS[:2], "guardrail": METRICS[2:]} | METHODS[method] | options))


def moments(effects: dict[str, float], runs: int, seed: int) -> pd.DataFrame:
    """Every arm's moments at every look, cumulative; days before the window has passed have no units yet."""
    generator = np.random.default_rng(seed)
    correlation = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    frames = []
    n = A_DAY * np.arange(1, DAYS + 1)
    for arm in ("a", "b"):
        daily = generator.multivariate_normal(np.zeros(3), correlation * A_DAY, (runs, DAYS))
        means = MEAN + np.cumsum(daily, axis=1) / n[None, :, None]
        if arm == "b":
            means = means + np.array([effects[id_] for id_ in METRICS])
        index = pd.MultiIndex.from_product([range(runs), range(DAYS), METRICS]).to_frame(index=False)
        index.columns = ["run", "day", "metric_id"]
        frames.append(index.assign(variant_id=arm, mean=means.ravel()))
    frame = pd.concat(frames, ignore_index=True)
    first = pd.Timestamp(examples.START) + pd.Timedelta(days=7)
    return frame.assign(
        as_of_date=first + pd.to_timedelta(frame["day"], unit="D"), experiment_id="e" + frame["run"].astype(str),
        segment_name="all", segment_value="all", n_units=A_DAY * (frame["day"] + 1), variance=1.0,
        third_central_moment=0.0, last_cohort_date=first, n_overflow=0, n_not_computed=0, metric_hash="h",
        **dict.fromkeys(OPTIONAL, np.nan),
    )  # fmt: skip


def outcomes(subject: Experiment, effects: dict[str, float], runs: int, seed: int) -> pd.Series:
    experiments = {f"e{run}": subject.model_copy(update={"id": f"e{run}"}) for run in range(runs)}
    scored = scorecard(moments(effects, runs, seed), experiments, examples.METRICS, NOTHING_BLOCKED)
    return final_recommendations(scored, experiments)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("method", METHODS)
def test_without_any_effect_at_most_half_alpha_ship_at_any_look(method: str, runs: int) -> None:
    found = outcomes(make(method, guardrail=()), dict.fromkeys(METRICS, 0.0), runs, seed=1)
    assert (found == "ship").mean() <= upper_bound(0.025, runs)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rule", DECIDING)
def test_a_guardrail_at_its_margin_lets_a_sure_win_ship_at_most_with_alpha_at_any_look(
    method: str, rule: str, runs: int
) -> None:
    """Latency worsens by its margin, 5 %; most such experiments are rolled back."""
    subject = make(method, rule=rule)
    found = outcomes(subject, {"revenue": 1.0, "visits": 1.0, "latency": 0.05 * MEAN}, runs, seed=2)
    assert (found == "ship").mean() <= upper_bound(0.05, runs)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rule", DECIDING)
def test_the_planned_effects_ship_with_the_planned_power(method: str, rule: str, runs: int) -> None:
    """The effect that the plan finds in the days planned, in every goal; the guardrail unchanged."""
    subject = make(method, rule=rule)
    history = pd.DataFrame(
        [(id_, MEAN, 1.0, 0.0) for id_ in METRICS], columns=["metric_id", "mean", "variance", "variance_reduction"]
    )
    metrics: dict[str, Metric] = examples.METRICS
    planned = plan(subject, metrics, history, 2 * A_DAY).set_index("metric_id")
    assert planned.loc["latency", "planned_power"] > RULES[rule].power(subject)
    effects = {id_: float(planned.loc[id_, "detectable_effect"]) for id_ in METRICS[:2]} | {"latency": 0.0}
    found = outcomes(subject, effects, runs, seed=3)
    assert (found == "ship").mean() >= lower_bound(0.8, runs)
