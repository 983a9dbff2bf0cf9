"""Experiments of the size that `analysis.planning` asks for: do they find the planned effect as often as planned."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from analysis.planning import plan
from analysis.statistics import confidence_sequence as sequence
from analysis.statistics.cuped import cuped
from analysis.statistics.estimate import Contrast, Estimate
from analysis.statistics.non_inferiority import relative_margin
from analysis.statistics.schedules import Schedules, SpendingOptions
from analysis.statistics.student_t import two_sided_p, upper_tail_p
from analysis.statistics.welch import welch
from configs.schema import Experiment, Metric
from tests.simulation.fixed_horizon import LOGNORMAL, NORMAL, RARE
from tests.simulation.methods import ALPHA, Flags
from tests.simulation.processes import Generator, Normal, Process, Share, WithHistory, WithTwoHistories, joint_sums
from tests.simulation.sequential import DAYS
from tests.simulation.study import LIFT, Study
from tests.simulation.table import Figure, Kind, figure

Outcome = Callable[[Generator, int], Flags]
TOPIC = "Power of planned experiments"
# The plan knows the variance of history only, so the effect adds a constant.
WITH_HISTORY = WithHistory("normal, history correlated .7", 2.0, lambda z, lift: 2 * (1 + lift) + 2 * z)
WITH_TWO = WithTwoHistories("normal, own history and another event", 2.0, lambda z, lift: 2 * (1 + lift) + 2 * z)
# s'S⁻¹s within units with and without history: S = (.8, .16; .16, 1), s = (.4, .5) in units of the value's variance.
OF_TWO = (0.4 * (0.4 - 0.16 * 0.5) + 0.5 * (0.8 * 0.5 - 0.16 * 0.4)) / (0.8 - 0.16**2)
TUNED_TO = 2_000
OPTIONS: dict[str, dict[str, Any]] = {
    "fixed": {},
    "always_valid": {"always_valid": {"planned_units": TUNED_TO}},
    "group_sequential": {"group_sequential": {"planned_units": TUNED_TO, "spending": "obrien_fleming"}},
}


def planned(
    mean: float, variance: float, *, is_share: bool = False, method: str = "fixed", weight: float = 0.5,
    reduction: float = 0.0, margin: float | None = None,
) -> pd.Series:  # fmt: skip
    """The row of the plan for a relative effect of LIFT, or for a margin without an effect; 28 looks."""
    metrics: dict[str, Any] = {"primary": ["metric"]}
    if margin is not None:
        metrics = {"primary": ["other"], "guardrail": [{"metric": "metric", "non_inferiority_margin": margin}]}
    subject = Experiment(
        id="simulated", start=date(2026, 9, 1), end=date(2026, 9, DAYS), metrics=metrics,
        variants=[{"id": "a", "weight": weight, "baseline": True}, {"id": "b", "weight": 1 - weight}],
        analysis={"minimum_detectable_effect": LIFT, "method": method} | OPTIONS[method],
    )  # fmt: skip
    kind = {"type": "proportion"} if is_share else {"type": "mean", "aggregate": "count"}
    window = {"window": {"end_days": 7}}
    known = {id_: Metric(id=id_, source="s", event="e", **kind, **window) for id_ in ("metric", "other")}
    columns = ["metric_id", "mean", "variance", "variance_reduction"]
    history = pd.DataFrame([(id_, mean, variance, reduction) for id_ in known], columns=columns)
    return plan(subject, known, history, 1_000).set_index("metric_id").loc["metric"]


def _variance(process: Process) -> float:
    if isinstance(process, Share):
        return process.mean * (1 - process.mean)
    if isinstance(process, Normal):
        return process.sd**2
    return process.payers * float(np.exp(process.sigma**2)) - process.mean**2


def _study(name: str, process: str, row: pd.Series, happened: Outcome, share: float = 1.0, known: str = "") -> Study:
    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        found = happened(rng, runs)
        yield figure(name, "finds the planned effect", found, float(row["power"]), Kind.POWER, known=known)

    n = f"{row['n_baseline']:,.0f} / {row['n_treatment']:,.0f}"
    return Study(TOPIC, process, n, figures, share)


def fixed(process: Process, *, weight: float = 0.5, share: float = 1.0, known: str = "") -> Study:
    """Welch's test once."""
    row = planned(process.mean, _variance(process), is_share=isinstance(process, Share), weight=weight)

    def happened(rng: Generator, runs: int) -> Flags:
        difference = _arms(process, row, rng, runs, 1, LIFT).difference
        return (two_sided_p(difference) <= ALPHA) & (difference.value > 0)

    return _study("Welch", process.name, row, happened, share, known)


def non_inferior(process: Process) -> Study:
    """A guardrail without any effect."""
    row = planned(process.mean, _variance(process), is_share=isinstance(process, Share), margin=LIFT)

    def happened(rng: Generator, runs: int) -> Flags:
        null = _arms(process, row, rng, runs, 1, 0.0)
        return upper_tail_p(relative_margin(null, np.asarray(1.0), np.asarray(LIFT))) <= float(row["alpha"])

    return _study("non-inferiority, relative margin", process.name, row, happened)


def with_covariate(process: WithHistory | WithTwoHistories, name: str, reduction: float) -> Study:
    """CUPED, with the reduction that a unit in five without history leaves."""
    row = planned(process.mean, 4.0, reduction=reduction)

    def happened(rng: Generator, runs: int) -> Flags:
        new = [np.array([int(row[name])]) for name in ("n_baseline", "n_treatment")]
        arms = [joint_sums(process, rng, runs, n, lift) for n, lift in zip(new, (0.0, LIFT), strict=True)]
        difference = cuped(*(arm.moments() for arm in arms)).difference
        return (two_sided_p(difference) <= ALPHA) & (difference.value > 0)

    return _study(name, process.name, row, happened)


def always_valid(process: Process) -> Study:
    """Any of 28 looks; the burn-in is left out, as the plan leaves it out."""
    row = planned(process.mean, _variance(process), is_share=isinstance(process, Share), method="always_valid")

    def happened(rng: Generator, runs: int) -> Flags:
        estimate = _arms(process, row, rng, runs, DAYS, LIFT)
        n = estimate.baseline.n + estimate.treatment.n
        p = sequence.two_sided_p(estimate.difference, n, sequence.best_rho2(TUNED_TO, ALPHA))
        return ((p <= ALPHA) & (estimate.difference.value > 0)).any(axis=-1)

    return _study("confidence sequence", process.name, row, happened)


def grouped(process: Process) -> Study:
    """O'Brien-Fleming spending over 28 looks."""
    row = planned(process.mean, _variance(process), is_share=isinstance(process, Share), method="group_sequential")

    def happened(rng: Generator, runs: int) -> Flags:
        every, times = np.arange(DAYS), np.arange(1, DAYS + 1) / DAYS
        options = SpendingOptions("obrien_fleming", 0.0, "", 0.0, 0.8)
        schedules = Schedules(times[None, :], np.ones(1, dtype=bool), (options,), (ALPHA,))
        critical = schedules.critical_value(np.zeros_like(every), every, np.full(DAYS, ALPHA))
        difference: Contrast = _arms(process, row, rng, runs, DAYS, LIFT).difference
        return (difference.value / difference.se >= critical).any(axis=-1)

    return _study("group sequential, O'Brien-Fleming", process.name, row, happened)


def _arms(process: Process, row: pd.Series, rng: Generator, runs: int, looks: int, lift: float) -> Estimate:
    times = np.arange(1, looks + 1) / looks
    moments = []
    for name, each in (("n_baseline", 0.0), ("n_treatment", lift)):
        new = np.diff(np.rint(times * float(row[name])), prepend=0).astype(np.int64)
        moments.append(process.draw(rng, runs, new, each).so_far().moments())
    return welch(*moments)


STUDIES = (
    fixed(NORMAL),
    fixed(NORMAL, weight=0.9),
    fixed(RARE),
    fixed(LOGNORMAL, share=0.2, known="a lift of every amount raises the variance by a fifth too"),
    non_inferior(NORMAL),
    non_inferior(RARE),
    with_covariate(WITH_HISTORY, "CUPED", 0.8 * 0.7**2),
    with_covariate(WITH_TWO, "CUPED, two covariates", OF_TWO),
    always_valid(NORMAL),
    always_valid(RARE),
    grouped(NORMAL),
    grouped(RARE),
)
