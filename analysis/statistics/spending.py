"""Lan-DeMets spending functions: how much of a one-sided error rate may be used up by an information fraction.

All take `alpha`, the one-sided rate, and `t`, information so far over planned information, and broadcast. A
two-sided test spends alpha/2 on each side. Nothing is spent at t ≤ 0 and everything from t = 1 on.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from analysis.statistics.status import Floats

Spending = Callable[[ArrayLike, ArrayLike], Floats]


def obrien_fleming(alpha: ArrayLike, t: ArrayLike) -> Floats:
    """2 - 2Φ(z_{α/2}/√t): little early, so the final test is nearly the fixed one (Lan & DeMets 1983, α₁*)."""
    fraction = _fraction(t)
    with np.errstate(divide="ignore"):
        return 2 * ndtr(ndtri(np.asarray(alpha, dtype=float) / 2) / np.sqrt(fraction))


def pocock(alpha: ArrayLike, t: ArrayLike) -> Floats:
    """α·ln(1 + (e - 1)t): nearly equal boundaries at equally spaced looks (Lan & DeMets 1983, α₂*)."""
    return np.asarray(alpha, dtype=float) * np.log1p(np.expm1(1.0) * _fraction(t))


def hwang_shih_decani(gamma: float) -> Spending:
    """α(1 - e^{-γt})/(1 - e^{-γ}): γ = -4 is near O'Brien-Fleming, 1 near Pocock, 0 linear (Statist. Med. 1990)."""

    def spend(alpha: ArrayLike, t: ArrayLike) -> Floats:
        fraction = _fraction(t)
        share = np.expm1(-gamma * fraction) / np.expm1(-gamma) if gamma != 0 else fraction
        return np.asarray(alpha, dtype=float) * share

    return spend


def kim_demets(rho: float) -> Spending:
    """α·t^ρ, ρ > 0: 1 is linear, 3 near O'Brien-Fleming (Kim & DeMets 1987, Biometrika 74)."""
    if rho <= 0:
        raise ValueError("the exponent of a power spending function must be positive")

    def spend(alpha: ArrayLike, t: ArrayLike) -> Floats:
        return np.asarray(alpha, dtype=float) * _fraction(t) ** rho

    return spend


def _fraction(t: ArrayLike) -> Floats:
    return np.clip(np.asarray(t, dtype=float), 0.0, 1.0)
