"""Whether rates seen in re-randomised buckets are those that were promised."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import ndtri


@dataclass(frozen=True)
class RateBound:
    """The rates that a right method shows with the stated chance; `low` is 0 where it may be conservative."""

    low: float
    high: float

    def holds(self, rate: float) -> bool:
        """Whether a rate lies within."""
        return self.low <= rate <= self.high


def rate_bound(
    rate: float, replicates: int, n_buckets: int, error: float, *, tails: int = 2, one_sided: bool = False
) -> RateBound:
    """Bounds that a share of `replicates` with true rate `rate` passes with chance `error` in all.

    Besides chance among replicates, buckets have one of their own: squares of bucket totals vary about those of their
    units by √(2/B), relatively, and with them every replicate's variance; a test's rate moves by zφ(z) times
    that (half of it in each tail). So the count is beta-binomial, with the mean and variance that follow.
    `one_sided`: the method may reject less, only the upper bound is tested.
    """
    z = -ndtri(rate / tails)
    spread = z * stats.norm.pdf(z) * (tails / 2) * np.sqrt(2 / n_buckets)
    total = rate * (1 - rate) / spread**2 - 1
    counts = stats.betabinom(replicates, rate * total, (1 - rate) * total)
    share = error if one_sided else error / 2
    high = float(counts.isf(share)) / replicates
    low = 0.0 if one_sided else float(counts.ppf(share)) / replicates
    return RateBound(low, high)
