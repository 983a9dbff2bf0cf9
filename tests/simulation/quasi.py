"""Quasi-experiments: staggered adoption with unequal effects, breaks in a series, and self-selected units."""

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np

from analysis.quasi.interrupted_time_series import interrupted_time_series
from analysis.quasi.matching import Units, matched
from analysis.quasi.pyfixest_models import Fit, two_stage, two_way
from analysis.quasi.regression_discontinuity import jump
from analysis.quasi.staggered import Staggered
from analysis.quasi.study import Estimate, Floats
from tests.simulation.methods import ALPHA
from tests.simulation.processes import Generator
from tests.simulation.study import Study
from tests.simulation.table import Figure, Kind, figure

TOPIC = "Quasi-experiments"
DAYS, COHORTS = 28, (10, 14, 20)
MISFIT = "for comparison alone: its model leaves out that effects differ by cohort and grow"


def staggered(adopters: int, others: int, *, share: float, is_short: bool) -> Study:
    """Groups whose days follow one another (AR 0.5) and adopt in three cohorts; the first has the largest effects."""

    def panel(rng: Generator) -> tuple[Floats, Floats, np.ndarray]:
        adoption = np.full(adopters + others, DAYS)
        adoption[:adopters] = np.resize(COHORTS, adopters)
        errors = _following(rng, (adopters + others, DAYS), 0.5)
        since = np.arange(DAYS) - adoption[:, None]
        effects = np.where(since >= 0, 0.2 * (since + 1) + 2.0 * (adoption == COHORTS[0])[:, None], 0.0)
        level = 3 * rng.standard_normal(adopters + others)[:, None]
        return level + np.sin(np.arange(DAYS) / 3) + errors, effects, adoption

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        rejected, covered, two_way_covered = [], [], []
        for _ in range(runs):
            value, effects, adoption = panel(rng)
            null = Staggered(value, adoption)
            rejected.append(_estimate(two_stage(null.shown()), null).p_value <= ALPHA)
            lifted = Staggered(value + effects, adoption)
            truth = float(effects[lifted.is_treated].mean())
            covered.append(_covers(_estimate(two_stage(lifted.shown()), lifted), truth))
            two_way_covered.append(_covers(_estimate(two_way(lifted.shown()), lifted), truth))
        yield figure("two-stage", "rejection", np.array(rejected), ALPHA, Kind.AT_MOST)
        yield figure("two-stage", "coverage of effect", np.array(covered), 1 - ALPHA, Kind.AT_LEAST)
        yield figure("two-way fixed effects", "coverage of effect", np.array(two_way_covered), 1 - ALPHA, known=MISFIT)

    return Study(TOPIC, "three cohorts", f"{adopters} / {others} groups", figures, share=share, is_short=is_short)


def broken(days: int, break_at: int, correlation: float, *, share: float, known: str = "") -> Study:
    """A trend with a week's pattern, its days following one another."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        rejected, covered, warned = [], [], []
        day = np.arange(days)
        for _ in range(runs):
            value = 50 + 0.1 * day + 3 * np.sin(2 * np.pi * day / 7) + _following(rng, (1, days), correlation)[0]
            study = interrupted_time_series(value, break_at, 7)
            rejected.append(study.effect.p_value <= ALPHA)
            warned.append(any(not check.passed for check in study.checks))
            lifted = interrupted_time_series(value + 2.0 * (day >= break_at), break_at, 7).effect
            covered.append(_covers(lifted, 2.0))
        seen = np.array(warned, dtype=float)
        yield figure(
            "segmented regression", "rejection", np.array(rejected), ALPHA, Kind.AT_MOST, warned=seen, known=known
        )
        yield figure(
            "segmented regression", "coverage of effect", np.array(covered), 1 - ALPHA, Kind.AT_LEAST, warned=seen,
            known=known,
        )  # fmt: skip

    return Study(TOPIC, f"a break, correlation {correlation:g}", f"{break_at} + {days - break_at} days", figures, share)


def selected(units: int, *, share: float) -> Study:
    """Units take it up the more the more active they are, and the active spend more anyway."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        rejected, covered = [], []
        for _ in range(runs):
            activity = rng.standard_normal((units, 2))
            is_treated = rng.random(units) < 1 / (1 + np.exp(2 - activity[:, 0]))
            base = 10 + 2 * activity[:, 0] + activity[:, 1]
            null = base + rng.standard_normal(units)
            for outcome, truth, hits in ((null, 0.0, rejected), (null + is_treated, 1.0, covered)):
                found = matched(Units(is_treated, activity, outcome, base), ("a", "b"), 1, 0.2).effect
                hits.append(_covers(found, truth))
        yield figure("nearest neighbours", "rejection", ~np.array(rejected), ALPHA)
        yield figure("nearest neighbours", "coverage of effect", np.array(covered), 1 - ALPHA)

    return Study(TOPIC, "uptake by the active", f"{units:,} units", figures, share=share)


def cut_off(units: int, *, share: float) -> Study:
    """An outcome that bends with the score, which half of the units have above a cut-off at 0."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        rejected, covered = [], []
        for _ in range(runs):
            score = rng.standard_normal(units)
            null = 2 * score + 0.5 * score**2 + rng.standard_normal(units)
            for outcome, truth, hits in ((null, 0.0, rejected), (null + (score >= 0), 1.0, covered)):
                effect, se, _, _ = jump(outcome, score, 0.0)
                hits.append(_covers(Estimate(effect=effect, se=se, df=np.inf), truth))
        yield figure("rdrobust", "rejection", ~np.array(rejected), ALPHA, Kind.AT_MOST)
        yield figure("rdrobust", "coverage of effect", np.array(covered), 1 - ALPHA, Kind.AT_LEAST)

    return Study(TOPIC, "a jump at a cut-off", f"{units:,} units", figures, share=share, is_short=False)


def _following(rng: Generator, shape: tuple[int, int], correlation: float) -> Floats:
    """Errors of variance 1, each day's correlated with the one before."""
    errors = rng.standard_normal(shape)
    for day in range(1, shape[1]):
        errors[:, day] = correlation * errors[:, day - 1] + np.sqrt(1 - correlation**2) * errors[:, day]
    return errors


def _estimate(fit: Fit, panel: Staggered) -> Estimate:
    effect, se = fit.first
    return Estimate(effect=effect, se=se, df=panel.df)


def _covers(estimate: Estimate, truth: float) -> bool:
    return bool(abs(estimate.effect - truth) <= estimate.half_width(ALPHA))


STUDIES = (
    staggered(5, 5, share=0.1, is_short=False),
    staggered(5, 20, share=0.1, is_short=True),
    staggered(20, 20, share=0.1, is_short=False),
    broken(42, 28, 0.0, share=0.2),
    broken(42, 28, 0.3, share=0.2),
    broken(70, 42, 0.6, share=0.2),
    selected(1000, share=0.2),
    # Its package is under the GPL: the page has these rows from an environment with the extra `rd`.
    *((cut_off(1000, share=0.05), cut_off(4000, share=0.05)) if find_spec("rdrobust") else ()),
)
