"""What a bandit gained over an equal split, and what it still lost against the best arm."""

from dataclasses import dataclass

import numpy as np

from analysis.bandits.batches import Batches
from analysis.bandits.flags import anywhere, everywhere
from analysis.statistics.estimate import Contrast, contrast
from analysis.statistics.status import Floats, Status, first_status


@dataclass(frozen=True)
class Regret:
    """Rewards lost against giving every unit the best arm: by the bandit, and by an equal split of the same units."""

    bandit: Floats
    uniform: Floats

    @property
    def saved(self) -> Floats:
        """Share of an equal split's regret that the bandit avoided; NaN where all arms are equally good."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.uniform > 0, 1 - self.bandit / self.uniform, np.nan)


def regret(n: Floats, true_means: Floats, sign: Floats | float = 1.0) -> Regret:
    """Of units `n` (..., arms) at true means (..., arms), which simulations know; `sign` -1: fewer are better."""
    gains = np.asarray(true_means, dtype=float) * np.asarray(sign)[..., None]
    lost = gains.max(axis=-1, keepdims=True) - gains
    return Regret((n * lost).sum(axis=-1), np.asarray(n).sum(axis=-1) * lost.mean(axis=-1))


def gain_over_uniform(batches: Batches) -> Contrast:
    """Rewards (...) that allocation added to what an equal split of the same units would have brought.

    Σ_b N_b Σ_k (e_bk - 1/K)·ȳ_bk: the weights follow from earlier batches, so each batch adds an unbiased term to a
    martingale, and the sum is normal in large samples. Of fewer-is-better rewards a gain is negative. Batches with
    equal propensities add nothing, and no noise. A batch in which an arm has no unit is left out.
    """
    n, arms = batches.n, batches.n.shape[-1]
    complete = everywhere(n > 0)
    tilt = np.where(complete[..., None], batches.propensity - 1 / arms, 0.0)
    weight = np.where(complete, batches.units, 0.0)
    # An arm's variance in a batch of one unit is that of its other batches.
    variance = np.where(n > 1, batches.variance, batches.within_variance()[..., None, :])
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.sum(weight * np.sum(tilt * batches.mean, axis=-1), axis=-1)
        terms = weight[..., None] ** 2 * tilt**2 * variance / np.maximum(n, 1)
        error = terms.sum(axis=(-2, -1))
        se, df = np.sqrt(error), error**2 / (terms**2 / np.maximum(n - 1, 1)).sum(axis=(-2, -1))
    whole = batches.status()
    own = first_status(
        (~anywhere(complete), Status.NO_UNITS),
        (~(error > 0), Status.ZERO_VARIANCE),
    )
    status = np.where(whole == Status.OK, own, whole)
    return contrast(value, se, df, status)
