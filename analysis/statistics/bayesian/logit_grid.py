"""Beta densities on the logit scale, and the grids on which they are integrated.

With u = log(x/(1 - x)) the density of Beta(a, b) is log-concave and analytic, with tails exp(a·u) and
exp(-b·u), so the trapezoidal rule reaches rounding with a few dozen nodes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.statistics.status import Floats

# Densities are cut where they have fallen by exp(-34), below a double's resolution.
_DROP = 34.0
# Step of the trapezoidal rule: in standard deviations of the logit, and at most, for the growth of exp(-exp(u))
# from imaginary parts of ±π/2 on.
_STEP, _LONGEST_STEP = 0.45, 0.3
_NODE_COUNTS = (48, 96, 192, 512, 2048)
_BATCH = 1_000_000
_STIRLING_FROM = 15.0


@dataclass(frozen=True)
class Grid:
    """Nodes (elements × nodes) over the product of a narrow beta density with a wide one's tail.

    `weight` times a function of the share, summed over nodes, is its expectation under the narrow density,
    for functions that vanish where the grid does not reach.
    """

    logit: Floats
    share: Floats
    weight: Floats


Integrand = Callable[..., tuple[Floats, ...]]


def in_batches(
    integrand: Integrand, narrow_a: Floats, narrow_b: Floats, wide_a: Floats, wide_b: Floats, *columns: Floats
) -> tuple[Floats, Floats]:
    """`integrand(grid, wide_a, wide_b, *columns)` for flat arrays, in batches of alike numbers of nodes.

    NaN where a parameter is NaN. The grid reaches over both the narrow density and its product with the
    wide one, which carries the integral where the two lie far apart.
    """
    low, high, needed = _range(narrow_a, narrow_b, wide_a, wide_b)
    inputs = (narrow_a, narrow_b, wide_a, wide_b, *columns)
    outputs = np.full(narrow_a.shape, np.nan), np.full(narrow_a.shape, np.nan)
    size_class = np.searchsorted(_NODE_COUNTS[:-1], np.where(np.isnan(needed), 0, needed))
    for count_index, nodes in enumerate(_NODE_COUNTS):
        members = np.flatnonzero((size_class == count_index) & ~np.isnan(needed))
        for start in range(0, members.size, _BATCH // nodes):
            batch = members[start : start + _BATCH // nodes]
            a, b, *rest = (column[batch] for column in inputs)
            grid = _grid(low[batch], high[batch], nodes, a, b)
            for output, values in zip(outputs, integrand(grid, *rest), strict=True):
                output[batch] = values
    return outputs


def density(logit: Floats, a: Floats, b: Floats) -> Floats:
    """Density of the logit of Beta(a, b) at nodes (elements × nodes): its height at the mode times its fall.

    Both parts are free of the cancellation that log-gamma functions of large numbers suffer.
    Reference: Loader 2000, "Fast and accurate computation of binomial probabilities" (saddle-point form).
    """
    total = a + b
    height = 0.5 * np.log(a * b / total / (2 * np.pi)) + _stirling(total) - _stirling(a) - _stirling(b)
    away = np.clip(logit - np.log(a / b)[:, None], -700, 700)
    lower = a <= b
    small, share = np.where(lower, a, b), np.minimum(a, b) / total
    turned = np.where(lower[:, None], away, -away)
    fall = total[:, None] * np.log1p(share[:, None] * np.expm1(turned)) - small[:, None] * turned
    return np.exp(height[:, None] - fall)


def cdf(logit: Floats, a: Floats, b: Floats) -> Floats:
    """P(logit of Beta(a, b) ≤ logit), elementwise."""
    low = logit <= 0  # from the nearer end, so that shares next to 1 keep their digits
    share, a, b = np.broadcast_arrays(special.expit(-np.abs(logit)), a, b)
    result = np.asarray(special.betainc(a, b, share, where=low, out=np.empty(share.shape)))
    return np.asarray(special.betaincc(b, a, share, where=~low, out=result))


def sf(logit: Floats, a: Floats, b: Floats) -> Floats:
    """P(logit of Beta(a, b) > logit), elementwise."""
    return cdf(-logit, b, a)


def _grid(low: Floats, high: Floats, nodes: int, a: Floats, b: Floats) -> Grid:
    logit = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, nodes)
    step = (high - low)[:, None] / (nodes - 1)
    return Grid(logit, np.asarray(special.expit(logit)), density(logit, a, b) * step)


def _range(a: Floats, b: Floats, wide_a: Floats, wide_b: Floats) -> tuple[Floats, Floats, Floats]:
    """Ends of the grid in logits, and how many nodes its step asks for."""
    mode, sd = np.log(a / b), np.sqrt(1 / a + 1 / b)
    between = np.log((a + wide_a) / (b + wide_b))
    # Beyond 4 standard deviations of the narrow one only the neighbourhood of `between` matters.
    start = between + np.clip(mode - between, -4 * sd, 4 * sd)
    below, above = _reach(a, b), _reach(b, a)
    low, high = np.minimum(start, between) - below, np.maximum(start, between) + above
    return low, high, np.ceil((high - low) / np.minimum(_STEP * sd, _LONGEST_STEP)) + 1


def _reach(a: Floats, b: Floats) -> Floats:
    """How far below its mode, in logits, Beta(a, b) has fallen by exp(-34); an upper bound.

    From the curvature v·exp(-|u|) at least, v = ab/(a + b), and from the tail exp(a·u).
    """
    x = _DROP * (1 / a + 1 / b)
    curved = np.sqrt(2 * x) + x * (x + 1) / (x + 3)
    return np.minimum(curved, (_DROP + (a + b) * np.log1p(a / b)) / a)


def _stirling(z: Floats) -> Floats:
    """Log Γ(z) - ((z - ½)·log z - z + ½·log 2π)."""
    large = np.maximum(z, _STIRLING_FROM)
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / large**2) / large**2) / large**2) / large
    small = np.minimum(z, _STIRLING_FROM)
    exact = special.gammaln(small) - (small - 0.5) * np.log(small) + small - 0.5 * np.log(2 * np.pi)
    return np.where(z >= _STIRLING_FROM, series, exact)
