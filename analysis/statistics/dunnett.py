"""Many arms against one baseline: Dunnett's single-step test and simultaneous intervals, with unequal variances."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.statistics import dunnett_series
from analysis.statistics.alternative import Alternative
from analysis.statistics.estimate import Estimate
from analysis.statistics.multiplicity import Integers
from analysis.statistics.status import Floats

# Node counts to which a quadrature's need is rounded up, so that alike elements are computed together.
_NODE_COUNTS = (12, 16, 20, 28, 48, 96, 384)
_BATCH = 400_000
# Densities are cut where they have fallen by exp(-27).
_DROP = 27.0
_REACH = 7.0
_SMALLEST_SPREAD = 0.03
# Quadratures resolve loadings up to here; that of an arm without any variance is 1. Less correlation is conservative.
_LARGEST_LOADING = 0.998


def loading(estimate: Estimate) -> Floats:
    """Each effect's correlation with the (adjusted) baseline mean, turned: λ = √(V_B/(V_B + V_T)).

    Two effects against one baseline have correlation λ_i·λ_j.
    """
    baseline, treatment = estimate.baseline.adjusted_variance, estimate.treatment.adjusted_variance
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(1 / (1 + treatment / baseline))


def dunnett(
    t: Floats, df: Floats, loading: Floats, arms: Integers, family: Integers, alternative: Alternative
) -> Floats:
    """Single-step adjusted p-values of flat arrays: `t` = effect/SE, each with its degrees of freedom and loading.

    `arms` numbers the comparisons of one metric's arms with one baseline; a `family` of several such sets is
    Bonferroni over them. P(max_j |T_j| ≥ |t_i|) for a multivariate t of df_i degrees of freedom. A failed
    comparison (NaN) counts as one more arm, independent of the others, and stays NaN. Relative error below
    2e-7 for 20 arms and loadings to .99, below 1e-6 for 60 arms or loadings to .998; larger ones are taken for .998.
    Reference: Dunnett 1955, JASA 50; Hasler & Hothorn 2008, Biometrical Journal 50 (unequal variances).
    """
    beyond = np.abs(t) if alternative is Alternative.TWO_SIDED else t if alternative is Alternative.GREATER else -t
    is_two_sided = alternative is Alternative.TWO_SIDED
    result = np.full(df.shape, np.nan)
    for index, loadings, _ in _sets_of_a_size(arms, loading):
        many, few = _by_df(df[index])
        for some, tail in ((many, dunnett_series.tail), (few, _tail)):
            at = index[some]
            result[at] = tail(beyond[at], df[at], loadings[some], is_two_sided=is_two_sided)
    return np.minimum(1.0, sets_in_family(arms, family) * result)


def dunnett_interval_alpha(
    df: Floats, loading: Floats, arms: Integers, family: Integers, alpha: Floats, alternative: Alternative
) -> Floats:
    """The alpha at which each comparison's own t interval is simultaneous over its family; arguments as above.

    For `alternative.confidence_interval`; such an interval excludes 0 exactly where the adjusted p-value is
    below alpha.
    """
    is_two_sided = alternative is Alternative.TWO_SIDED
    target = np.asarray(alpha) / sets_in_family(arms, family)
    result = np.full(df.shape, np.nan)
    for index, loadings, sets in _sets_of_a_size(arms, loading):
        many, few = _by_df(df[index])
        problem = np.unique(np.stack([sets, target[index]]), axis=1, return_inverse=True)[1].ravel()
        result[index[many]] = dunnett_series.own_level(
            target[index[many]], df[index[many]], loadings[many], problem[many], is_two_sided=is_two_sided
        )
        result[index[few]] = _own_level(target[index[few]], df[index[few]], loadings[few], is_two_sided=is_two_sided)
    return result


def sets_in_family(arms: Integers, family: Integers) -> Integers:
    """For each comparison the number of sets of arms in its family."""
    pairs, member = np.unique(np.stack([family, arms]), axis=1, return_inverse=True)
    _, of_pair, count = np.unique(pairs[0], return_inverse=True, return_counts=True)
    return count[of_pair][member.ravel()]


def _sets_of_a_size(arms: Integers, loading: Floats) -> Iterator[tuple[NDArray[np.intp], Floats, Integers]]:
    """Sets of one size together: their comparisons' positions, all loadings of each one's set, number of its set."""
    _, member, counts = np.unique(arms, return_inverse=True, return_counts=True)
    order = np.argsort(member, kind="stable")
    filled = np.minimum(np.where(np.isnan(loading), 0.0, loading), _LARGEST_LOADING)
    for size in np.unique(counts):
        index = order[counts[member[order]] == size].reshape(-1, size)
        yield index.ravel(), np.repeat(filled[index], size, axis=0), member[index.ravel()]


def _by_df(df: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where there are many degrees of freedom, and where few; a NaN is in neither."""
    return np.flatnonzero(df >= dunnett_series.FEWEST), np.flatnonzero(df < dunnett_series.FEWEST)


def _own_level(target: Floats, df: Floats, loadings: Floats, *, is_two_sided: bool) -> Floats:
    """The level of one arm's own test at the critical value of all, for few degrees of freedom."""
    sides = 2.0 if is_two_sided else 1.0
    start = -special.stdtrit(df, target / sides / loadings.shape[1])
    critical = _solve(lambda c: _tail(c, df, loadings, is_two_sided=is_two_sided), target, start)
    return np.asarray(sides * special.stdtr(df, -critical))


def _tail(c: Floats, df: Floats, loadings: Floats, *, is_two_sided: bool) -> Floats:
    """P(max_j T_j > c) of elements c, df (n) with loadings (n, k), as a mean over the common scale S of the T_j."""
    result = np.full(c.shape, np.nan)
    defined = ~np.isnan(c) & ~np.isnan(df)
    spread = np.maximum(np.sqrt(1 - np.max(loadings, axis=1) ** 2), _SMALLEST_SPREAD)
    largest = np.minimum(np.maximum(c, 0), 40.0) * np.max(loadings, axis=1)
    z_nodes = _rounded_up((np.maximum(_REACH, largest + 6.5) + (0 if is_two_sided else _REACH)) / (0.7 * spread))
    s_nodes = _rounded_up(_scale_range(c, df)[2])
    key = np.where(defined, s_nodes * 1000 + z_nodes, -1)
    for kind in np.unique(key[defined]):
        members = np.flatnonzero(key == kind)
        scales, nodes = divmod(int(kind), 1000)
        step = max(1, _BATCH // (scales * nodes))
        for start in range(0, members.size, step):
            i = members[start : start + step]
            scale, weight = _scales(c[i], df[i], scales)
            tail = _normal_tail(c[i, None] * scale, loadings[i], nodes, is_two_sided=is_two_sided)
            result[i] = np.sum(weight * tail, axis=1)
    return result


def _normal_tail(x: Floats, loadings: Floats, nodes: int, *, is_two_sided: bool) -> Floats:
    """P(max_j Z_j > x), x (n, scales), Z_j = λ_j·Z_0 + √(1 - λ_j²)·ε_j, by the trapezoidal rule over Z_0.

    Two-sided the integrand is even, so half the line is enough. From the arms' tails, not from their
    complements, so that small probabilities keep their digits.
    """
    reach = np.maximum(_REACH, np.minimum(np.maximum(x, 0), 40.0) * np.max(loadings, axis=1)[:, None] + 6.5)
    start = np.zeros_like(reach) if is_two_sided else np.full_like(reach, -_REACH)
    step = (reach - start) / (nodes - 1)
    z = start[..., None] + step[..., None] * np.arange(nodes)
    any_beyond = np.zeros(z.shape)
    for arm in range(loadings.shape[1]):
        factor = loadings[:, arm, None, None]
        spread = np.maximum(np.sqrt((1 - factor) * (1 + factor)), _SMALLEST_SPREAD / 10)
        beyond = special.ndtr((factor * z - x[..., None]) / spread)
        if is_two_sided:
            beyond += special.ndtr((-factor * z - x[..., None]) / spread)
        any_beyond += beyond * (1 - any_beyond)
    integrand = any_beyond * np.exp(-(z**2) / 2)
    if is_two_sided:
        integrand[..., 0] /= 2
    return np.asarray(step * integrand.sum(axis=-1)) * (2 if is_two_sided else 1) / np.sqrt(2 * np.pi)


def _scales(c: Floats, df: Floats, nodes: int) -> tuple[Floats, Floats]:
    """Nodes of S and their probabilities, by the trapezoidal rule in log S."""
    low, high, _ = _scale_range(c, df)
    log_s = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, nodes)
    weight = np.exp(df[:, None] * (log_s - np.expm1(2 * log_s) / 2))
    return np.exp(log_s), weight / weight.sum(axis=1, keepdims=True)


def _scale_range(c: Floats, df: Floats) -> tuple[Floats, Floats, Floats]:
    """Range of log S around 0 and around where large c have their mass, ½·log(df/(df + c²)); nodes needed."""
    drop = _DROP / df
    low = -np.log1p(np.maximum(c, 0) ** 2 / df) / 2 - np.sqrt(drop) - drop
    high = np.sqrt(drop)
    # At most .15, for the growth of exp(-df·S²/2) from imaginary parts of ±π/4 on.
    return low, high, (high - low) * np.maximum(np.sqrt(df) / 0.6, 1 / 0.15) + 1


def _rounded_up(needed: Floats) -> Integers:
    """The next of the node counts; the largest where none is enough."""
    counts = np.array(_NODE_COUNTS)
    clipped = np.where(np.isnan(needed), 0, np.minimum(needed, counts[-1]))
    return counts[np.searchsorted(counts, clipped)]


def _solve(tail: Callable[[Floats], Floats], target: Floats, start: Floats) -> Floats:
    """Where log tail is log target, by the secant method from a start that lies above."""
    goal = np.log(target)
    before, now = start, start * 0.98
    error_before, error = np.log(tail(before)) - goal, np.log(tail(now)) - goal
    for _ in range(12):
        with np.errstate(invalid="ignore", divide="ignore"):
            step = error * (now - before) / (error - error_before)
        settled = ~(np.abs(step) > 1e-9 * np.abs(now))
        before, error_before = now, error
        now = np.where(settled, now, now - step)
        if settled.all():
            break
        error = np.log(tail(now)) - goal
    return now
