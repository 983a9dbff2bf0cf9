"""From the variance of a unit's value to the variance of an arm's mean."""

import numpy as np

from analysis.statistics.status import Floats


def variance_of_mean(variance: Floats, n: Floats) -> Floats:
    """Divide a variance by n, elementwise; NaN below 2 units, where a sample variance does not exist."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.asarray(n) >= 2, np.divide(variance, n), np.nan)
