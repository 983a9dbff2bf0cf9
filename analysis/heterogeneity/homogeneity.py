"""Whether segments differ in their effects: Cochran's Q, with the noise of its weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.heterogeneity.groups import Groups
from analysis.statistics.status import Floats

_LEAST_ERROR = 1e-75


@dataclass(frozen=True)
class Homogeneity:
    """A test of each group, NaN where fewer than two segments can be used.

    `common_effect` is the mean weighted by precision, `statistic` the sum of squared deviations from it in standard
    errors, `i_squared` the share of the variation between effects that is beyond their noise.
    """

    n_used: Floats
    common_effect: Floats
    common_effect_se: Floats
    statistic: Floats
    df: Floats
    df_denominator: Floats
    p_value: Floats
    i_squared: Floats


@np.errstate(invalid="ignore", divide="ignore", over="ignore")
def homogeneity(effect: Floats, se: Floats, freedom: Floats, groups: Groups) -> Homogeneity:
    """Test that all effects of a group are equal; rows whose effect or error is NaN take no part.

    `freedom` are the degrees of freedom of each variance (Satterthwaite's). Q = Σ w·(τ - τ̄)², w = 1/se², is referred to
    Welch's F distribution rather than to chi-squared, which takes the weights as known and rejects too often in small
    segments. Of two segments this is Welch's t test of their difference.
    References: Cochran 1954, Biometrics 10; Welch 1951, Biometrika 38; Kulinskaya et al. 2004, Stat. Med. 23.
    """
    used = usable(effect, se)
    unit = groups.maximum(np.where(used, se, 0.0))
    scale = groups.each(np.where(unit > 0, unit, 1.0))
    weight = precision(se / scale, used)
    total, n_used = groups.sum(weight), groups.sum(used)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(used, effect, 0.0) / scale
        centre = groups.sum(weight * value) / total
        share = weight / groups.each(total)
        statistic = groups.sum(weight * np.where(used, value - groups.each(centre), 0.0) ** 2)
        noise = groups.sum(np.where(used, (1 - share) ** 2 / freedom, 0.0))
        unit = np.where(unit > 0, unit, np.nan)
        df = n_used - 1
        tested = n_used >= 2
        statistic, df = (np.where(tested, values, np.nan) for values in (statistic, df))
        denominator, p = tail(statistic, df, noise)
        beyond = np.maximum(0.0, 1 - df / statistic)
    return Homogeneity(
        n_used=n_used,
        common_effect=np.where(n_used > 0, centre * unit, np.nan),
        common_effect_se=np.where(n_used > 0, unit / np.sqrt(np.where(n_used > 0, total, 1.0)), np.nan),
        statistic=statistic,
        df=df,
        df_denominator=denominator,
        p_value=p,
        i_squared=np.where(tested, np.where(statistic > 0, beyond, 0.0), np.nan),
    )


def usable(effect: Floats, se: Floats) -> NDArray[np.bool_]:
    """Rows that have an effect and a standard error."""
    return np.isfinite(effect) & np.isfinite(se) & (se > 0)


def precision(se: Floats, used: NDArray[np.bool_]) -> Floats:
    """1/se², and 0 of rows that take no part; an error below 1e-75 counts as that, so that weights stay finite."""
    return np.where(used, 1 / np.maximum(np.where(used, se, 1.0), _LEAST_ERROR) ** 2, 0.0)


def tail(statistic: Floats, df: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Denominator degrees of freedom, and P-value, of a weighted sum of squares whose weights are estimated.

    `noise` is A = Σ m²/ν, m the diagonal of the projection that the sum of squares is made of and ν the degrees of
    freedom of each variance. Q/c is F with df and df·(df + 2)/(3A), c = df + 2A - 6A/(df + 2); chi-squared at A = 0.
    Reference: Johansen 1980, Biometrika 67, section 4; of one classification it is Welch's test.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        denominator = np.where(noise > 0, df * (df + 2) / (3 * noise), np.inf)
        scaled = statistic / (df + 2 * noise - 6 * noise / (df + 2))
        is_finite = np.isfinite(denominator)
        of_f = special.fdtrc(df, np.where(is_finite, denominator, 1.0), scaled)
        p = np.where(is_finite, of_f, special.chdtrc(df, statistic))
    return np.where(np.isnan(statistic), np.nan, denominator), np.where(np.isnan(statistic), np.nan, p)
