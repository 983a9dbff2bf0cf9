"""Normal posterior of an effect (Murphy 2012, Machine Learning, section 4.6.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.statistics.estimate import Contrast
from analysis.statistics.status import Codes, Floats
from analysis.statistics.student_t import Interval

# Of a weak prior on a relative effect: one effect in twenty is beyond ±60 %.
WEAK_RELATIVE_SD = 0.3


@dataclass(frozen=True)
class Prior:
    """Normal prior of the effect, in the contrast's unit; a standard deviation of infinity is flat."""

    mean: Floats | float = 0.0
    sd: Floats | float = np.inf

    def __post_init__(self) -> None:
        if not (np.asarray(self.sd) > 0).all() or not np.isfinite(self.mean).all():
            raise ValueError("a prior needs a finite mean and a positive standard deviation")


@dataclass(frozen=True)
class Posterior:
    """Normal posterior of the effect; NaN where the contrast's status is not OK."""

    mean: Floats
    sd: Floats
    status: Codes


@dataclass(frozen=True)
class Loss:
    """What choosing an arm is expected to cost against the better of the two, at least 0.

    `treatment` is the loss of shipping it, `baseline` that of keeping the baseline.
    """

    treatment: Floats
    baseline: Floats


FLAT = Prior()


def posterior(contrast: Contrast, prior: Prior = FLAT) -> Posterior:
    """Posterior of an absolute or relative effect, the contrast's standard error taken as known.

    Mean m₀ + w·(value - m₀) and standard deviation se·√w, w = 1/(1 + (se/sd₀)²). With a flat prior the
    credible interval is the z interval; degrees of freedom do not enter, so have some 100 units an arm.
    """
    prior_mean, prior_sd = np.asarray(prior.mean, dtype=float), np.asarray(prior.sd, dtype=float)
    with np.errstate(over="ignore"):
        weight = 1 / (1 + (contrast.se / prior_sd) ** 2)
    return Posterior(
        prior_mean * (1 - weight) + weight * contrast.value, contrast.se * np.sqrt(weight), contrast.status
    )


def chance_to_beat(posterior: Posterior, sign: Floats | float) -> Floats:
    """P(the treatment is better than the baseline); `sign` is +1 where an increase is better, else -1."""
    return np.asarray(special.ndtr(sign * posterior.mean / posterior.sd))


def expected_loss(posterior: Posterior, sign: Floats | float) -> Loss:
    """E[max(0, -sign·effect)] of shipping the treatment, E[max(0, sign·effect)] of keeping the baseline.

    With z = |mean|/sd the smaller is sd·(φ(z) - z·Φ(-z)), the larger |mean| more; the smaller keeps its
    digits however small. Reference: Chick & Inoue 2001, Operations Research 49, eq. 3 (linear loss).
    """
    z = np.abs(posterior.mean) / posterior.sd
    mills = np.sqrt(np.pi / 2) * special.erfcx(z / np.sqrt(2))
    smaller = posterior.sd * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * np.maximum(1 - z * mills, 0)
    larger = smaller + np.abs(posterior.mean)
    is_better = sign * posterior.mean >= 0
    return Loss(np.where(is_better, smaller, larger), np.where(is_better, larger, smaller))


def is_acceptable(loss: Floats, threshold: Floats | float) -> NDArray[np.bool_]:
    """Whether an expected loss is known and at most the threshold of caring, in the effect's unit."""
    return np.asarray(loss <= threshold)


def credible_interval(posterior: Posterior, alpha: Floats | float) -> Interval:
    """Equal-tailed interval that holds the effect with probability 1 - alpha."""
    half = posterior.sd * -special.ndtri(np.asarray(alpha, dtype=float) / 2)
    return Interval(posterior.mean - half, posterior.mean + half)


def rope_probability(posterior: Posterior, low: Floats | float, high: Floats | float) -> Floats:
    """P(low < effect < high): that the effect lies in the region of practical equivalence.

    Reference: Kruschke 2018, Advances in Methods and Practices in Psychological Science 1.
    """
    a, b = (low - posterior.mean) / posterior.sd, (high - posterior.mean) / posterior.sd
    # In the upper tail from above, so that a small probability is no difference of numbers near 1.
    flip = a > 0
    return np.asarray(special.ndtr(np.where(flip, -a, b)) - special.ndtr(np.where(flip, -b, a)))
