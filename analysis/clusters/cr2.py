"""Cluster-robust comparison of two arms: bias-reduced variance (CR2) with Satterthwaite's degrees of freedom."""

import numpy as np

from analysis.clusters.sums import ClusterSums
from analysis.statistics.estimate import Contrast, contrast
from analysis.statistics.status import Floats, Status

# What is left of a variance below this share of the arms' mean squares is rounding.
_ROUNDING = 1e-24


def cr2(sums: ClusterSums) -> Contrast:
    """Treatment less baseline (...), each arm Σ total/Σ size over its clusters.

    It is least squares of units' values on treatment: residual sums e_g of clusters give V = Σ e_g²/(1 - h_g)/N² in
    each arm, h_g = n_g/N, unbiased if units are independent and alike. Degrees of freedom are those of V as a
    quadratic form of such units; with few or unequal clusters far below clusters - 2.
    Reference: Bell & McCaffrey 2002, Survey Methodology 28; Pustejovsky & Tipton 2018, JBES 36.
    """
    status = sums.status()
    (rate_t, variance_t, unit_t, square_t), (rate_b, variance_b, unit_b, square_b) = (
        _arm(*sums.arm(treated)) for treated in (True, False)
    )
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        variance = variance_t + variance_b
        flat = variance <= _ROUNDING * (rate_t**2 + rate_b**2)
        df = (unit_t + unit_b) ** 2 / (square_t + square_b)
        value = rate_t - rate_b
    status = np.where((status == Status.OK) & flat, np.int8(Status.ZERO_VARIANCE), status)
    return contrast(value, np.sqrt(variance), df, status)


def _arm(size: Floats, total: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Rate, CR2 variance, and of independent units of variance 1 its expectation and the trace of its square.

    With V = ε'Bε the traces are 1/N and (Σh² + (Σa)² - Σa²)/N², a_g = h_g²/(1 - h_g).
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        whole = size.sum(axis=-1, keepdims=True)
        rate = total.sum(axis=-1, keepdims=True) / whole
        rest = 1 - size / whole
        residual = np.where(size > 0, total - rate * size, 0.0)
        variance = np.sum(residual**2 / rest, axis=-1) / whole[..., 0] ** 2
        share = size / whole
        a = share**2 / rest
        square = np.sum(share**2 - a**2, axis=-1) + a.sum(axis=-1) ** 2
        return rate[..., 0], variance, 1 / whole[..., 0], square / whole[..., 0] ** 2
