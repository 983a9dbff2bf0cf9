"""Batched OLS: treatment against baseline when each batch's allocation followed from earlier batches."""

import numpy as np

from analysis.bandits.batches import Batches
from analysis.bandits.flags import anywhere
from analysis.statistics.estimate import Contrast, contrast
from analysis.statistics.status import Status, first_status

# Units of both arms without which a batch says nothing about its own variance.
_FEWEST = 2


def batched_ols(batches: Batches, baseline: int = 0) -> Contrast:
    """Each arm's effect against the baseline (..., arms): batch differences, each brought to the same noise.

    Within a batch arms are assigned at random, so that difference over standard error is normal whatever came before;
    with weights w_b = 1/se_b their sum is normal, while the pooled difference is not. se_b² = σ²_k/n_bk + σ²_0/n_b0 at
    the variances within batches of the whole run; the variance of the sum takes each batch's own, so that levels of
    noise may change. Degrees of freedom are Satterthwaite's over batches and arms. Batches with fewer than 2 units of
    either arm are left out. The baseline's own column is NaN with ZERO_VARIANCE.
    Reference: Zhang, Janson, Murphy 2020, Inference for batched bandits, NeurIPS 33, on batched OLS.
    """
    n, mean, variance = batches.n, batches.mean, batches.variance
    base = slice(baseline, baseline + 1)
    used = (n >= _FEWEST) & (n[..., base] >= _FEWEST)
    of_unit = batches.within_variance()[..., None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        planned = of_unit / n + of_unit[..., base] / n[..., base]
        weight = np.where(used & (planned > 0), 1 / np.sqrt(planned), 0.0)
        total = weight.sum(axis=-2)
        share = weight / total[..., None, :]
        value = np.sum(share * (mean - mean[..., base]), axis=-2)
        own = np.where(used, share**2 * variance / n, 0.0)
        bases = np.where(used, share**2 * variance[..., base] / n[..., base], 0.0)
        error = own.sum(axis=-2) + bases.sum(axis=-2)
        spread = own**2 / np.maximum(n - 1, 1) + bases**2 / np.maximum(n[..., base] - 1, 1)
        df = error**2 / spread.sum(axis=-2)
    status = first_status(
        (~anywhere(n > 0, -2) | ~anywhere(n[..., base] > 0, -2), Status.NO_UNITS),
        (~anywhere(used, -2), Status.TOO_FEW_UNITS),
        (~(error > 0) | (np.arange(n.shape[-1]) == baseline), Status.ZERO_VARIANCE),
    )
    return contrast(value, np.sqrt(error), df, batches.status_of_arms(status))
