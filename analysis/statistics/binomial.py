"""Exact one-sided test of a share against a fixed level."""

import numpy as np
from scipy import special

from analysis.statistics.estimate import Arm
from analysis.statistics.status import Floats


def share_level_p(arm: Arm, sign: Floats, level: Floats) -> Floats:
    """P-value for "the share of units is better than `level`", by the binomial tail; NaN without units.

    `sign` is +1 where a higher share is better (H0: share ≤ level), else -1. Its size never exceeds alpha,
    and no event at all is evidence, (1 - level)^n, where a t test has no variance and on few events
    rejects too often: .20 instead of .05 with 3 events expected.
    Reference: Clopper & Pearson 1934, Biometrika 26.
    """
    share = np.where(np.asarray(sign) < 0, arm.mean, 1 - arm.mean)
    failures = np.round(share * arm.n)
    success = np.where(np.asarray(sign) < 0, 1 - level, level)
    # P(X ≤ x) of n at failure rate q is the regularised incomplete beta function of 1 - q at (n - x, x + 1).
    tail = special.betainc(np.maximum(arm.n - failures, 1), failures + 1, success)
    return np.where(failures < arm.n, tail, np.where(failures == arm.n, 1.0, np.nan))
