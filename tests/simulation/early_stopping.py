"""Decisions that may fall at any of 14 looks: from moments through the scorecard to what a rule says.

Values are normal with unit variance and correlate within a unit; 400 new units an arm and day.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.decisions import RULES
from analysis.planning import plan
from analysis.scorecard import scorecard
from configs.schema import Experiment, Metric
from tests.analysis.decisions import examples
from tests.analysis.decisions.test_from_moments import NOTHING_BLOCKED, OPTIONAL
from tests.simulation.deciding import final_recommendations
from tests.simulation.decision_rules import ALPHA, CORRELATIONS, POWER, TOPIC
from tests.simulation.processes import Generator
from tests.simulation.study import Study, sizes
from tests.simulation.table import Figure, Kind, figure

DAYS, A_DAY, MEAN = 14, 400, 10.0
PLANNED_UNITS = 2 * DAYS * A_DAY
GOALS, GUARDRAIL = ("revenue", "visits"), "latency"
IDS = (*GOALS, GUARDRAIL)
METHODS: dict[str, dict[str, Any]] = {
    "always_valid": {"always_valid": {"planned_units": PLANNED_UNITS}},
    "group_sequential": {"group_sequential": {"planned_units": PLANNED_UNITS}, "correction": "bonferroni"},
}
# Group sequential methods take no open-ended metric; a window of a day delays the decision by one.
METRICS: dict[str, Metric] = {
    id_: metric if metric.window else metric.model_copy(update={"window": examples.METRICS["conversion"].window})
    for id_, metric in examples.METRICS.items()
}


def _experiment(method: str, rule: str, guardrail: tuple[str, ...] = (GUARDRAIL,)) -> Experiment:
    return examples.make_experiment(primary=GOALS, guardrail=guardrail, rule=rule, method=method, **METHODS[method])


def _moments(rng: Generator, effects: Mapping[str, float], runs: int, correlation: float) -> pd.DataFrame:
    """Every arm's moments at every look, cumulative; days before the window has passed have no units yet."""
    between = np.full((len(IDS),) * 2, correlation) + (1 - correlation) * np.eye(len(IDS))
    frames = []
    n = A_DAY * np.arange(1, DAYS + 1)
    for arm in ("a", "b"):
        daily = rng.multivariate_normal(np.zeros(len(IDS)), between * A_DAY, (runs, DAYS))
        means = MEAN + np.cumsum(daily, axis=1) / n[None, :, None]
        if arm == "b":
            means = means + np.array([effects[id_] for id_ in IDS])
        index = pd.MultiIndex.from_product([range(runs), range(DAYS), IDS]).to_frame(index=False)
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


def _ships(
    subject: Experiment, effects: Mapping[str, float], rng: Generator, runs: int, correlation: float
) -> np.ndarray:
    experiments = {f"e{run}": subject.model_copy(update={"id": f"e{run}"}) for run in range(runs)}
    scored = scorecard(_moments(rng, effects, runs, correlation), experiments, METRICS, NOTHING_BLOCKED)
    found: np.ndarray = (final_recommendations(scored, experiments, METRICS) == "ship").to_numpy()
    return found


def _detectable(subject: Experiment) -> dict[str, float]:
    """The effect that the plan finds in the days planned, in every goal; the guardrail unchanged."""
    history = pd.DataFrame(
        [(id_, MEAN, 1.0, 0.0) for id_ in IDS], columns=["metric_id", "mean", "variance", "variance_reduction"]
    )
    planned = plan(subject, METRICS, history, 2 * A_DAY).set_index("metric_id")
    assert planned.loc[GUARDRAIL, "planned_power"] > RULES[subject.decision.rule].power(subject)
    return {id_: float(planned.loc[id_, "detectable_effect"]) for id_ in GOALS} | {GUARDRAIL: 0.0}


def at_any_look(method: str, correlation: float) -> Study:
    """Without any effect; with a guardrail at its margin; with the planned effects."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        def said(name: str, subject: Experiment, effects: Mapping[str, float], promised: float, kind: Kind) -> Figure:
            found = _ships(subject, effects, rng, runs, correlation)
            question = f"{name}: ships ({'at least' if kind is Kind.AT_LEAST else 'at most'} {promised:g} promised)"
            return figure(f"{subject.decision.rule}, {method}", question, found, promised, kind)

        nothing = dict.fromkeys(IDS, 0.0)
        yield said("no effect", _experiment(method, "risk_aware", ()), nothing, ALPHA / 2, Kind.AT_MOST)
        harm = dict.fromkeys(GOALS, 1.0) | {GUARDRAIL: 0.05 * MEAN}
        for rule in ("risk_aware", "clear_signals"):
            subject = _experiment(method, rule)
            yield said("a goal surely better, a guardrail at its margin", subject, harm, ALPHA, Kind.AT_MOST)
            yield said("the planned effects", subject, _detectable(subject), POWER, Kind.AT_LEAST)

    process = f"2 goals, 1 guardrail, {method}, {DAYS} looks; correlation {correlation:g}"
    return Study(TOPIC, process, f"{sizes(A_DAY, A_DAY)} a day", figures, share=0.2, is_short=correlation == 0.5)


STUDIES = tuple(at_any_look(method, correlation) for method in METHODS for correlation in CORRELATIONS)
