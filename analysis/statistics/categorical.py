"""Whether the distribution over categories differs between arms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.statistics.status import Floats

# Cochran's rule: at most a fifth of the cells expect fewer than 5, none fewer than 1.
FEW_EXPECTED = 5.0
TOO_FEW_EXPECTED = 1.0
SHARE_OF_FEW = 0.2

# Below this scipy's incomplete gamma function loses digits, then flushes to 0, while doubles reach 5e-324.
_UNDERFLOW = 1e-290
_NODES, _WEIGHTS = np.polynomial.laguerre.laggauss(20)


@dataclass(frozen=True)
class Homogeneity:
    """Pearson's test that all arms share one distribution; NaN (`is_sparse` False) with nothing to compare.

    `cramers_v` in [0, 1] is the strength of association. `is_sparse` marks tables where the chi-squared
    approximation is doubtful by Cochran's rule.
    """

    statistic: Floats
    df: Floats
    p_value: Floats
    cramers_v: Floats
    is_sparse: NDArray[np.bool_]


def homogeneity(counts: ArrayLike) -> Homogeneity:
    """Pearson's chi-squared of k arms by m categories, `counts` (..., k, m) of units; one unit, one category.

    Arms without units and categories in which no arm has any take no part, in the degrees of freedom
    either; fewer than two of either are nothing to compare. No continuity correction: with two arms and
    two categories it is the square of the pooled two-proportion z test.
    Raises ValueError on negative counts. Reference: Pearson 1900; Cochran 1954, Biometrics 10.
    """
    table = np.asarray(counts, dtype=float)
    if (table < 0).any():
        raise ValueError("counts are negative")
    arms, categories = table.sum(axis=-1, keepdims=True), table.sum(axis=-2, keepdims=True)
    total = arms.sum(axis=-2, keepdims=True)
    rows, columns = (arms > 0).sum(axis=(-2, -1)), (categories > 0).sum(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = arms * (categories / total)
        used = expected > 0
        statistic = np.sum(np.where(used, (table - expected) ** 2 / expected, 0.0), axis=(-2, -1))
        smaller = np.minimum(rows, columns)
        comparable = (smaller >= 2) & ~np.isnan(statistic)
        strength = np.sqrt(statistic / total[..., 0, 0] / (smaller - 1))
    few = (used & (expected < FEW_EXPECTED)).sum(axis=(-2, -1)) > SHARE_OF_FEW * rows * columns
    is_sparse = few | (used & (expected < TOO_FEW_EXPECTED)).any(axis=(-2, -1))
    df = np.where(comparable, (rows - 1.0) * (columns - 1.0), np.nan)
    statistic = np.where(comparable, statistic, np.nan)
    return Homogeneity(
        statistic, df, _upper_tail(statistic, df), np.where(comparable, strength, np.nan), comparable & is_sparse
    )


def total_variation(counts: ArrayLike) -> Floats:
    """Half the sum of absolute differences of two arms' shares, `counts` (..., 2, m): in [0, 1], NaN without units.

    The share of one arm's units that would have to change their category for the arms to be alike; unlike Cramér's V
    it does not depend on how the arms are split. In samples it is above 0 where the arms do not differ.
    """
    table = np.asarray(counts, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = table / table.sum(axis=-1, keepdims=True)
    return np.asarray(np.abs(shares[..., 0, :] - shares[..., 1, :]).sum(axis=-1) / 2)


def _upper_tail(statistic: Floats, df: Floats) -> Floats:
    """P(χ²_df ≥ statistic) to full relative precision also below 1e-300; far out by a Laguerre sum."""
    tail = np.asarray(special.chdtrc(df, statistic))
    tiny = tail < _UNDERFLOW
    if tiny.any():
        half, shape = statistic[tiny] / 2, df[tiny] / 2
        total = np.sum(_WEIGHTS * (1 + _NODES / half[..., None]) ** (shape[..., None] - 1), axis=-1)
        log_tail = (shape - 1) * np.log(half) - half - special.gammaln(shape) + np.log(total)
        tail = tail.copy()
        tail[tiny] = np.exp(log_tail)
    return tail
