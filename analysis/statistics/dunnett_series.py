"""Dunnett's tail for many degrees of freedom: one quadrature a comparison, and its Taylor series for the common scale.

T_j = Z_j/S, S² = χ²_df/df, and arms Z_j = λ_j·Z_0 + √(1 - λ_j²)·ε_j. With G(x) = P(max_j Z_j > x) and F(x) = P(Z_1 > x)
their ratio R = G/F varies slowly, between 1 and the number of arms. So P(max_j T_j > c) = P(T_1 > c)·E[R(cS)], the
mean over S given T_1 > c, follows from a few derivatives of R at the mean of cS. Relative error below
2e-7 from `FEWEST` degrees of freedom on, for 20 arms and loadings to .99.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.statistics.status import Floats

FEWEST = 400.0
"""Degrees of freedom from which the series is good."""

_ORDER = 4
# Ratios are evaluated in this range: above it every tail is below the smallest double, below it every tail is 1.
_LEAST, _FARTHEST = -8.0, 37.0
_REACH = 6.5
_STEP = 0.75
_SMALLEST_SPREAD = 0.03
# Node counts to which a quadrature's need is rounded up, so that alike elements are computed together.
_NODE_COUNTS = np.array((10, 12, 14, 16, 18, 20, 24, 28, 36, 48, 72, 120, 240, 480, 960, 1920))
_BATCH = 6_000
_SEARCHES = 12


@dataclass(frozen=True)
class Ratio:
    """R's Taylor coefficients (order + 1, n) at `x` (n)."""

    x: Floats
    coefficients: Floats

    def at(self, x: Floats) -> Floats:
        """R by its series."""
        value, d = np.zeros_like(x), x - self.x
        for coefficient in self.coefficients[::-1]:
            value = value * d + coefficient
        return value

    def take(self, index: NDArray[np.intp]) -> "Ratio":
        """Some of them."""
        return Ratio(self.x[index], self.coefficients[:, index])


def tail(c: Floats, df: Floats, loadings: Floats, *, is_two_sided: bool) -> Floats:
    """P(max_j T_j > c), c and df (n), loadings (n, k)."""
    scale = _Scale.beyond(c, df, is_two_sided)
    ratio = _ratio(scale.centre(c), loadings, is_two_sided)
    return np.minimum(1.0, scale.alone * scale.mean_of(ratio, c))


def own_level(target: Floats, df: Floats, loadings: Floats, problem: NDArray[np.intp], *, is_two_sided: bool) -> Floats:
    """P(|T_1| > c), one-sided P(T_1 > c), at the c at which P(max_j T_j > c) is `target`.

    All over comparisons; `problem` numbers those with equal loadings and target, whose root is searched for once,
    for infinite df. From there on two of Newton's steps in the normal quantile of the level lead to each df.
    """
    sides = 2 if is_two_sided else 1
    _, first, number = np.unique(problem, return_index=True, return_inverse=True)
    ratio = _ratio_at_root(target[first], loadings[first], is_two_sided).take(number)
    z = ratio.x.copy()
    for _ in range(2):
        c = _student_quantile(z, df)
        scale = _Scale.beyond(c, df, is_two_sided)
        level, mean = sides * special.ndtr(-z), scale.mean_of(ratio, c)
        z = z - np.log(level * mean / target) / _slope(z, ratio.coefficients[1] / ratio.coefficients[0], is_two_sided)
    return sides * special.ndtr(-z)


@dataclass(frozen=True)
class _Scale:
    """The common scale S given |T_1| > c (or T_1 > c), a chance `alone`: its first moments (order + 1, n).

    E[S^m; T_1 > c] = E[S^m]·P(T_1' > c·√(1 + m/df)), T_1' of df + m degrees of freedom.
    """

    alone: Floats
    moments: Floats

    @classmethod
    def beyond(cls, c: Floats, df: Floats, is_two_sided: bool) -> "_Scale":
        tails = np.stack([special.stdtr(df + m, -c * np.sqrt(1 + m / df)) for m in range(_ORDER + 1)])
        raw = np.stack([np.ones_like(df), _mean_of_chi(df), np.ones_like(df), _mean_of_chi(df), 1 + 2 / df])
        raw[3] *= 1 + 1 / df
        with np.errstate(invalid="ignore", divide="ignore"):
            given = raw * tails / tails[0]
        # Where doubles end the scale is all but known.
        known = 1 / np.sqrt(1 + np.maximum(c, 0) ** 2 / df)
        far = tails[0] < 1e-290
        powers = known ** np.arange(_ORDER + 1)[:, None]
        return cls(tails[0] * (2 if is_two_sided else 1), np.where(far, powers, given))

    def centre(self, c: Floats) -> Floats:
        """Mean of cS."""
        return c * self.moments[1]

    def mean_of(self, ratio: Ratio, c: Floats) -> Floats:
        """E[R(cS)] from R's series, by the moments of cS about the series' own point."""
        moments, shifts = [np.ones_like(c)], [np.ones_like(c)]
        power = np.ones_like(c)
        total = ratio.coefficients[0].copy()
        for order in range(1, _ORDER + 1):
            power = power * c
            moments.append(power * self.moments[order])
            shifts.append(shifts[-1] * -ratio.x)
            about = sum(comb(order, m) * moments[m] * shifts[order - m] for m in range(order + 1))
            total += ratio.coefficients[order] * about
        return total


def _mean_of_chi(df: Floats) -> Floats:
    """E[S] = √(2/df)·Γ((df + 1)/2)/Γ(df/2), by Stirling's series."""
    u = 1 / df
    return 1 - u / 4 * (1 - u / 8 * (1 + u * 5 / 4))


def _student_quantile(z: Floats, df: Floats) -> Floats:
    """Student's quantile by Cornish and Fisher's expansion (Abramowitz & Stegun 26.7.5)."""
    z2 = z * z
    terms = (
        (z2 + 1) / 4,
        ((5 * z2 + 16) * z2 + 3) / 96,
        (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384,
        ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160,
    )
    return z * (1 + sum(term / df**power for power, term in enumerate(terms, start=1)))


def _ratio_at_root(target: Floats, loadings: Floats, is_two_sided: bool) -> Ratio:
    """R at the x where F·R is `target`, searched for from where it would be without correlation."""
    sides = 2 if is_two_sided else 1
    x = -special.ndtri(-np.expm1(np.log1p(-target) / loadings.shape[1]) / sides)
    found = Ratio(x.copy(), np.full((_ORDER + 1, x.size), np.nan))
    unsettled = np.arange(x.size)
    for _ in range(_SEARCHES):
        before = x[unsettled]
        ratio = _ratio(before, loadings[unsettled], is_two_sided)
        found.x[unsettled], found.coefficients[:, unsettled] = before, ratio.coefficients
        relative_change, at = ratio.coefficients[1] / ratio.coefficients[0], before
        for _ in range(4):
            gap = np.log(sides * special.ndtr(-at) * ratio.at(at) / target[unsettled])
            at = np.clip(at - gap / _slope(at, relative_change, is_two_sided), before - 0.5, before + 0.5)
        x[unsettled] = at
        # Each as if it were alone: not refined on while others settle.
        unsettled = unsettled[np.abs(at - before) > 0.01]
        if not unsettled.size:
            break
    return found


def _slope(x: Floats, relative_change: Floats, is_two_sided: bool) -> Floats:
    """Derivative of log(F·R)."""
    return relative_change - np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) / special.ndtr(-x)


def _ratio(x: Floats, loadings: Floats, is_two_sided: bool) -> Ratio:
    within = np.clip(x, 0.0 if is_two_sided else _LEAST, _FARTHEST)
    coefficients = np.zeros((_ORDER + 1, x.size))
    coefficients[0] = np.nan
    for index, nodes in _batches(within, loadings, is_two_sided):
        coefficients[:, index] = _series(within[index], loadings[index], nodes, is_two_sided)
    # Beyond the range R is what it is at its end.
    outside = within != x
    coefficients[1:, outside] = 0.0
    return Ratio(x, coefficients)


def _batches(x: Floats, loadings: Floats, is_two_sided: bool) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Elements that need as many nodes, a few at a time."""
    largest = np.max(loadings, axis=1)
    width = _reach(x, largest) + (0 if is_two_sided else _REACH)
    step = _STEP * min(1.0, (4 / loadings.shape[1]) ** 0.15)
    needed = width / (step * np.maximum(np.sqrt(1 - largest**2), _SMALLEST_SPREAD)) + 1
    count = np.searchsorted(_NODE_COUNTS, np.where(np.isnan(needed), 0, np.minimum(needed, _NODE_COUNTS[-1])))
    for number in np.unique(count):
        nodes = int(_NODE_COUNTS[number])
        index = np.flatnonzero((count == number) & ~np.isnan(x))
        step = max(1, _BATCH // nodes)
        for start in range(0, index.size, step):
            yield index[start : start + step], nodes


def _reach(x: Floats, largest: Floats) -> Floats:
    """How far the baseline's deviate matters."""
    return np.maximum(_REACH, np.maximum(x, 0) * largest + 6.0)


def _series(x: Floats, loadings: Floats, nodes: int, is_two_sided: bool) -> Floats:
    """R's coefficients by the trapezoidal rule over Z_0; two-sided over half the line, the integrand being even.

    From tails, not from their complements, so that small probabilities keep their digits.
    """
    reach = _reach(x, np.max(loadings, axis=1))
    start = np.zeros_like(reach) if is_two_sided else np.full_like(reach, -_REACH)
    step = (reach - start) / (nodes - 1)
    z = start[:, None] + step[:, None] * np.arange(nodes)
    sides = 2 if is_two_sided else 1
    density = np.exp(-(z**2) / 2) * (step * sides / np.sqrt(2 * np.pi))[:, None]
    if is_two_sided:
        density[:, 0] /= 2
    any_beyond = np.zeros((_ORDER + 1, *z.shape))
    for arm in range(loadings.shape[1]):
        factor = loadings[:, arm, None]
        slope = 1 / np.maximum(np.sqrt((1 - factor) * (1 + factor)), _SMALLEST_SPREAD / 10)
        beyond = _normal_tail((x[:, None] - factor * z) * slope, slope)
        if is_two_sided:
            beyond += _normal_tail((x[:, None] + factor * z) * slope, slope)
        any_beyond = _either(any_beyond, beyond) if arm else beyond
    family = np.einsum("mnz,nz->mn", any_beyond, density)
    return _divided(family, sides * _normal_tail(x, np.ones_like(x)))


def _normal_tail(u: Floats, slope: Floats) -> Floats:
    """Coefficients in d of Φ(-(u + slope·d)), by Hermite's polynomials."""
    density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    series = np.empty((_ORDER + 1, *u.shape))
    series[0] = special.ndtr(-u)
    hermite, before, power = density, np.zeros_like(density), -slope
    for m in range(1, _ORDER + 1):
        series[m] = power * hermite
        hermite, before = u * hermite - (m - 1) * before, hermite
        power = power * -slope / (m + 1)
    return series


def _either(one: Floats, other: Floats) -> Floats:
    """Series of 1 - (1 - one)·(1 - other) = one + other - one·other."""
    complement = -other
    complement[0] += 1
    result = other
    for m in range(_ORDER + 1):
        for i in range(m + 1):
            result[m] += one[i] * complement[m - i]
    return result


def _divided(numerator: Floats, denominator: Floats) -> Floats:
    """Series of the quotient."""
    quotient = np.empty_like(numerator)
    for m in range(_ORDER + 1):
        rest = numerator[m].copy()
        for i in range(m):
            rest -= quotient[i] * denominator[m - i]
        quotient[m] = rest / denominator[0]
    return quotient
