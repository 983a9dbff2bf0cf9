"""What each method says about simulated experiments: rejections, coverage, errors at any look."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.alternative import Alternative, p_value
from analysis.statistics.equivalence import absolute_bounds, equivalence_p, relative_bounds
from analysis.statistics.estimate import Estimate
from analysis.statistics.fieller import fieller
from analysis.statistics.non_inferiority import relative_margin
from analysis.statistics.proportions import risk_ratio, wilson
from analysis.statistics.relative import is_weak, relative_effect
from analysis.statistics.score import score_interval, score_p
from analysis.statistics.skewness import is_difference_skewed, is_margin_test_skewed
from analysis.statistics.status import Floats
from analysis.statistics.student_t import Interval, interval, two_sided_p, upper_tail_p
from tests.simulation.table import Figure, Kind, figure

ALPHA = 0.05
Flags = NDArray[np.bool_]


def holds(ends: Interval, truth: Floats | float) -> Flags:
    """Whether each interval holds the truth; one that is NaN does not."""
    return np.asarray((ends.low <= truth) & (truth <= ends.high))


def warns(estimate: Estimate) -> Flags:
    """Whether the scorecard row would be `skewed`."""
    return is_difference_skewed(estimate, ALPHA)


def fixed_horizon(
    method: str, null: Estimate, lifted: Estimate, mean: float, lift: float, known: str = ""
) -> Iterator[Figure]:
    """Tests and intervals of one look: `null` without effect, `lifted` with the effect lift · mean."""
    skewed, effect = warns(null), mean * lift
    yield figure(method, "rejection", two_sided_p(null.difference) <= ALPHA, ALPHA, warned=skewed, known=known)
    for side in (Alternative.GREATER, Alternative.LESS):
        rejected = p_value(null.difference, side) <= ALPHA
        yield figure(method, f"one-sided rejection ({side})", rejected, ALPHA, warned=skewed, known=known)
    yield from intervals(method, lifted, mean, lift, known)
    # A metric where a decrease is better, its true effect exactly at the margin.
    worse, margin = np.asarray(-1.0), np.asarray(lift)
    skewed = warns(lifted) | is_margin_test_skewed(lifted, worse, 1 + lift * np.sign(lifted.baseline.mean), ALPHA)
    passed = upper_tail_p(relative_margin(lifted, worse, margin)) <= ALPHA
    yield figure(method, "non-inferior at the relative margin", passed, ALPHA, warned=skewed, known=known)
    # The other margin is far, else a test of few units could never pass.
    for name, bounds in (("absolute", absolute_bounds(lifted, 9 * effect, effect)),
                         ("relative", relative_bounds(lifted, 9 * lift, lift))):  # fmt: skip
        passed = equivalence_p(bounds) <= ALPHA
        near = 1 + lift * np.sign(lifted.baseline.mean) if name == "relative" else 1.0
        skewed = warns(lifted) | is_margin_test_skewed(lifted, worse, near, ALPHA)
        question = f"equivalent at the {name} margin"
        yield figure(method, question, passed, ALPHA, Kind.AT_MOST, warned=skewed, known=known)


def intervals(method: str, lifted: Estimate, mean: float, lift: float, known: str = "") -> Iterator[Figure]:
    """Coverage of a known effect, and of the relative effect by the delta method and by Fieller."""
    level, skewed, weak = 1 - ALPHA, warns(lifted), is_weak(lifted)
    covered = holds(interval(lifted.difference, ALPHA), mean * lift)
    yield figure(method, "coverage of effect", covered, level, warned=skewed, known=known)
    covered = holds(interval(relative_effect(lifted), ALPHA), lift)
    yield figure(method, "coverage of relative effect, delta", covered, level, warned=skewed | weak, known=known)
    ends = fieller(lifted, ALPHA)
    covered = holds(Interval(ends.low, ends.high), lift) | (ends.shape > 0)
    yield figure(method, "coverage of relative effect, Fieller", covered, level, warned=skewed | weak, known=known)


def scores(null: Estimate, lifted: Estimate, mean: float, lift: float, known: str = "") -> Iterator[Figure]:
    """Score methods of shares."""
    yield figure("Newcombe", "rejection", score_p(null) <= ALPHA, ALPHA, Kind.AT_MOST, known=known)
    covered = holds(score_interval(lifted, ALPHA), mean * lift)
    yield figure("Newcombe", "coverage of effect", covered, 1 - ALPHA, Kind.AT_LEAST, known=known)
    base, treatment = lifted.baseline, lifted.treatment
    covered = holds(risk_ratio(base.n, base.mean, treatment.n, treatment.mean, ALPHA), lift)
    yield figure("risk ratio (Katz)", "coverage of relative effect", covered, 1 - ALPHA, Kind.AT_LEAST, known=known)
    covered = holds(wilson(base.n, base.mean, ALPHA), mean)
    yield figure("Wilson", "coverage of the share", covered, 1 - ALPHA, Kind.AT_LEAST, known=known)
