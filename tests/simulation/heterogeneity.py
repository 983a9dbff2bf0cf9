"""Segments: tests of interaction, spread and shrunken effects, pairs of dimensions, mixes of arms, one adjustment."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.homogeneity import homogeneity
from analysis.heterogeneity.mix import Arm, mix
from analysis.heterogeneity.segments import too_small
from analysis.heterogeneity.shared_adjustment import shared_homogeneity
from analysis.heterogeneity.shrinkage import shrunken
from analysis.heterogeneity.spread import effect_spread, tau_at
from analysis.heterogeneity.two_way import two_way
from analysis.statistics.cuped import cuped
from analysis.statistics.moments import JointMoments
from analysis.statistics.skewness import is_skewed, tail_shift
from analysis.statistics.welch import welch
from tests.simulation import processes
from tests.simulation.methods import ALPHA
from tests.simulation.processes import Generator, Process
from tests.simulation.study import LIFT, Study
from tests.simulation.table import Figure, Kind, figure

TOPIC = "Segments"
NORMAL = processes.Normal()
SHARE = processes.Share(0.05, "proportion 5 %")
RARE = processes.Share(0.01, "proportion 1 %")
LOGNORMAL = processes.Revenue(1.0, 1.5, "heavy-tailed revenue (lognormal, σ = 1.5)")
REVENUE = processes.Revenue(0.1, 1.5, "zero-inflated lognormal (1 in 10 pays, σ = 1.5)")

UNEQUAL = np.round(np.geomspace(5000, 20, 20)).astype(int)
HEAVY = "conservative with heavy tails: a large error goes with a large deviation"
AVERAGE = "held on average over τ, not at each: this is the worst"
ERROR_LEFT_OUT = "for comparison: the error of τ, or of the slopes, is left out"


def each(n: int, segments: int = 20) -> NDArray[np.int64]:
    """Segments of one size."""
    return np.full(segments, n)


def groups_of(runs: int, size: int) -> Groups:
    """A group for each experiment."""
    return Groups(np.repeat(np.arange(runs), size))


def interaction(process: Process, n_b: NDArray, n_t: NDArray, n: str, *, known: str = "") -> Study:
    """The interaction test where every segment has the same effect, of a tenth of the mean."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        base, treatment = process.draw(rng, runs, n_b).moments(), process.draw(rng, runs, n_t, LIFT).moments()
        estimate = welch(base, treatment)
        groups = groups_of(runs, n_b.size)
        events = (base.n * base.mean + treatment.n * treatment.mean).ravel()
        small, few = too_small(base.n.ravel(), treatment.n.ravel(), events, groups)
        left_out = small | (few & isinstance(process, processes.Share))
        effect, se, df = (getattr(estimate.difference, name).ravel() for name in ("value", "se", "df"))
        se = np.where(left_out, np.nan, se)
        found = homogeneity(effect, se, df, groups)
        tested = found.n_used >= 2
        skewed = (is_skewed(tail_shift(estimate, ALPHA)) & ~left_out.reshape(runs, -1)).any(axis=1)[tested]
        rejected = found.p_value[tested] <= ALPHA
        yield figure("Cochran's Q, Welch's F", "rejection, equal effects", rejected, ALPHA, warned=skewed, known=known)
        if process is NORMAL and n_b.max() < 50:
            p = special.chdtrc(found.df, found.statistic)
            reason = "for comparison: weights count as known"
            yield figure("Cochran's Q, chi-squared", "rejection, equal effects", p <= ALPHA, ALPHA, known=reason)

    return Study(TOPIC, f"{process.name}, {n_b.size} segments", n, figures)


def spread(segments: int, ratio: float, tau: float) -> Study:
    """Effects drawn with deviation τ, errors from 1 to `ratio`; `tau` < 0: τ itself drawn from 0 to 5."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        groups = groups_of(runs, segments)
        se = np.tile(np.geomspace(1, ratio, segments), runs)
        true_tau = rng.uniform(0, 5, runs) if tau < 0 else np.full(runs, tau)
        truth = groups.each(true_tau) * rng.standard_normal(se.size)
        effect = truth + se * rng.standard_normal(se.size)
        found = shrunken(effect, se, np.full(se.size, np.inf), groups)
        z = -special.ndtri(ALPHA / 2)
        covered = (np.abs(found.effect - truth) <= z * found.sd).reshape(runs, -1).mean(axis=1)
        known = AVERAGE if tau > 0 else ""
        yield figure("shrunken effects", "coverage, share of segments", covered, 1 - ALPHA, Kind.AT_LEAST, known=known)
        squared = groups.each(tau_at(effect, se, groups, np.full(runs, segments - 1.0))) ** 2
        weight = 1 / (se**2 + squared)
        drawn, total = se**2 * weight, groups.sum(weight)
        mean = effect - drawn * (effect - groups.each(groups.sum(weight * effect) / total))
        sd = np.sqrt(se**2 * (1 - drawn) + drawn**2 / groups.each(total))
        plain = (np.abs(mean - truth) <= z * sd).reshape(runs, -1).mean(axis=1)
        question = "coverage, share of segments"
        yield figure("at Paule-Mandel's τ", question, plain, 1 - ALPHA, Kind.AT_LEAST, known=ERROR_LEFT_OUT)
        ends = effect_spread(effect, se, groups, np.full(runs, ALPHA))
        held = (ends.low <= true_tau) & (true_tau <= ends.high)
        yield figure("Q profile", "coverage of τ", held, 1 - ALPHA)

    of = "drawn from 0 to 5 errors" if tau < 0 else f"{tau:g} errors"
    return Study(TOPIC, f"{segments} effects, τ {of}", f"errors 1 to {ratio:g}", figures)


def pairs(first: int, second: int, n_b: int, n_t: int) -> Study:
    """Cells of two dimensions, of sizes that differ tenfold; effects differ by the first alone."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        size = np.geomspace(0.3, 3, first * second)[rng.permutation(first * second)]
        arms = [NORMAL.draw(rng, runs, np.round(n * size).astype(int)).moments() for n in (n_b, n_t)]
        difference = welch(*arms).difference
        shape = (runs, first, second)
        levels = np.linspace(0, 1, first)[:, None]
        se, df = difference.se.reshape(shape), difference.df.reshape(shape)
        found = two_way(difference.value.reshape(shape) + levels, se, df)
        for name, term in (("interaction", found.interaction), ("second dimension given the first", found.second)):
            yield figure("two dimensions", f"rejection, {name}", term.p_value <= ALPHA, ALPHA)

    return Study(TOPIC, f"normal, {first} × {second} cells", f"about {n_b} / {n_t} a cell", figures)


def mixed(n_b: int, n_t: int) -> Study:
    """Arms of one mix of five segments at very different levels."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        levels, shares = np.array([1.0, 2, 4, 8, 16]), np.array([0.4, 0.3, 0.15, 0.1, 0.05])
        arms = []
        for n in (n_b, n_t):
            count = rng.multinomial(n, shares, runs).astype(float)
            mean = levels + rng.standard_normal(count.shape) / np.sqrt(np.maximum(count, 1))
            arms.append(Arm(count.ravel(), mean.ravel(), np.ones(count.size), np.zeros(count.size)))
        found = mix(*arms, groups_of(runs, levels.size))
        yield figure("difference of mixes", "rejection, mixes alike", found.p_value <= ALPHA, ALPHA)

    return Study(TOPIC, "means 1 to 16 in 5 segments", f"{n_b:,} / {n_t:,}", figures)


def shared(segments: int, n: int) -> Study:
    """A covariate correlated by .9, whose slope all segments share."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        groups, arms = groups_of(runs, segments), []
        for _ in range(2):
            x = rng.standard_normal((runs * segments, n))
            y = 0.9 * x + np.sqrt(1 - 0.81) * rng.standard_normal(x.shape)
            arms.append(JointMoments.from_values(y, x))
        found = shared_homogeneity(*arms, groups)
        question = "rejection, equal effects"
        yield figure("Wald, one slope for all", question, found.p_value <= ALPHA, ALPHA)
        own = cuped(*arms).difference
        p = homogeneity(own.value, own.se, own.df, groups).p_value
        yield figure("Cochran's Q, slopes of segments", question, p <= ALPHA, ALPHA, known=ERROR_LEFT_OUT)

    return Study(TOPIC, f"normal with a covariate, {segments} segments", f"{n} / {n} a segment", figures, share=0.4)


STUDIES = (
    interaction(NORMAL, each(500), each(500), "500 / 500 a segment"),
    interaction(NORMAL, each(20), each(20), "20 / 20 a segment"),
    interaction(NORMAL, UNEQUAL, UNEQUAL, "20 to 5,000 in each arm"),
    interaction(NORMAL, each(900), each(100), "900 / 100 a segment"),
    interaction(NORMAL, each(1_000, 2), each(100, 2), "1,000 / 100 a segment"),
    interaction(SHARE, each(500), each(500), "500 / 500 a segment"),
    interaction(SHARE, UNEQUAL, UNEQUAL, "20 to 5,000 in each arm"),
    interaction(SHARE, each(900), each(100), "900 / 100 a segment"),
    interaction(RARE, each(2_000), each(2_000), "2,000 / 2,000 a segment"),
    interaction(LOGNORMAL, each(500), each(500), "500 / 500 a segment", known=HEAVY),
    interaction(LOGNORMAL, UNEQUAL, UNEQUAL, "20 to 5,000 in each arm", known=HEAVY),
    interaction(REVENUE, each(500), each(500), "500 / 500 a segment", known=HEAVY),
    interaction(REVENUE, each(900), each(100), "900 / 100 a segment", known=HEAVY),
    spread(20, 1, 0.0),
    spread(20, 1, 1.0),
    spread(20, 1, -1.0),
    spread(5, 10, -1.0),
    spread(3, 3, -1.0),
    pairs(4, 5, 200, 200),
    pairs(3, 4, 100, 20),
    mixed(1_000, 1_000),
    mixed(1_800, 200),
    shared(20, 20),
)
