"""Power of a comparison under each method of analysis, as a function of effect and sample size.

Arrays are over comparisons (rows) and the answers like them. `fixed` and `bayesian` look once; the sequential
methods are asked at each of `n_looks` equally spaced looks, whose crossings all count as power.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics import spending
from analysis.statistics.confidence_sequence import best_rho2, unit_margin
from analysis.statistics.group_sequential.boundaries import Boundaries, boundaries
from analysis.statistics.group_sequential.crossing import crossing
from analysis.statistics.group_sequential.design import drift_for_power, power
from analysis.statistics.power import smallest_on_log_scale
from configs.schema import Experiment

Floats = NDArray[np.float64]

# Between this many looks the chance to have crossed hardly grows, and computing it is in proportion.
MOST_LOOKS = 28

# Halvings of a factor of 300 (its square for n) that leave a ten-millionth.
_HALVINGS = 36


@dataclass(frozen=True)
class SequentialPower:
    """Power of a sequential method, of one level and number of sides a row.

    `at(drift, n)`: `drift` is the effect in standard errors at n units (both arms), the last look's.
    `drift_for(power, n)` is its inverse; `needed(drift_per_unit, power)` the n at which drift_per_unit·√n has
    the power. NaN where nothing has.
    """

    at: Callable[[Floats, Floats], Floats]
    drift_for: Callable[[Floats, Floats], Floats]
    needed: Callable[[Floats, Floats], Floats]


def sequential_power(
    experiment: Experiment, alpha: Floats, sides: NDArray[np.int64], shares: Floats, n_looks: int
) -> SequentialPower | None:
    """The method's power; None where it looks once. `shares` of all units are in the two arms compared."""
    n_looks = max(1, min(n_looks, MOST_LOOKS))
    if experiment.analysis.method == "always_valid":
        return _always_valid(experiment, alpha, sides, shares, n_looks)
    if experiment.analysis.method == "group_sequential":
        return _group_sequential(experiment, alpha, sides, n_looks)
    return None


def _always_valid(
    experiment: Experiment, alpha: Floats, sides: NDArray[np.int64], shares: Floats, n_looks: int
) -> SequentialPower:
    """The boundary of the confidence sequence at n units; tuned as the scorecard tunes it."""
    options = experiment.analysis.always_valid
    planned = options.planned_units if options is not None else None
    tuned_to = (planned or experiment.analysis.minimum_units * len(experiment.variants)) * shares
    rho2 = best_rho2(tuned_to, experiment.analysis.alpha)
    times = np.arange(1, n_looks + 1) / n_looks

    def at(drift: Floats, n: Floats) -> Floats:
        looked = np.where(np.isfinite(n) & (n > 0), n, 1.0)[:, None] * times
        upper = np.where(
            sides[:, None] == 2,
            unit_margin(looked, rho2[:, None], alpha[:, None], 2),
            unit_margin(looked, rho2[:, None], alpha[:, None], 1),
        ) * np.sqrt(looked)
        return _defined(_chance(times, upper, sides, drift), drift, n)

    return _by_search(at)


def _group_sequential(experiment: Experiment, alpha: Floats, sides: NDArray[np.int64], n_looks: int) -> SequentialPower:
    """Boundaries by error spending at equally spaced looks; a futility bound is not binding and not counted."""
    options = experiment.analysis.group_sequential
    if options is None:
        raise ValueError(f"experiment {experiment.id}: group_sequential needs its options")
    function = _spending(options.spending, options.gamma)
    n_looks = min(n_looks, len(options.looks) + 1) if options.looks else n_looks
    times = np.tile(np.arange(1, n_looks + 1) / n_looks, (alpha.size, 1))
    bounds = {int(side): boundaries(times[sides == side], alpha[sides == side], function, sides=int(side))
              for side in np.unique(sides)}  # fmt: skip

    def over_rows(compute: Callable[[Boundaries, Floats], Floats], values: Floats) -> Floats:
        found = np.full(alpha.shape, np.nan)
        for side, bound in bounds.items():
            rows = sides == side
            usable = np.where(np.isfinite(values[rows]), values[rows], 0.5)
            found[rows] = np.where(np.isfinite(values[rows]), compute(bound, usable), np.nan)
        return found

    def at(drift: Floats, n: Floats) -> Floats:
        return np.where(np.isfinite(n) & (n > 0), over_rows(power, drift), np.nan)

    def drift_for(wanted: Floats, n: Floats) -> Floats:
        return np.where(np.isfinite(n) & (n > 0), over_rows(drift_for_power, wanted), np.nan)

    def needed(drift_per_unit: Floats, wanted: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            n = (over_rows(drift_for_power, wanted) / drift_per_unit) ** 2
        return np.where(np.isfinite(n), n, np.nan)

    return SequentialPower(at, drift_for, needed)


def _by_search(at: Callable[[Floats, Floats], Floats]) -> SequentialPower:
    def drift_for(wanted: Floats, n: Floats) -> Floats:
        return smallest_on_log_scale(
            lambda drift: at(drift, n), wanted, np.full(n.shape, 0.1), np.full(n.shape, 30.0), _HALVINGS
        )

    def needed(drift_per_unit: Floats, wanted: Floats) -> Floats:
        # Drifts of .1 to 30: no level and power met in practice needs less or more.
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = (drift_per_unit**-2.0 * drift**2 for drift in (0.1, 30.0))
        return smallest_on_log_scale(lambda n: at(drift_per_unit * np.sqrt(n), n), wanted, low, high, _HALVINGS)

    return SequentialPower(at, drift_for, needed)


def _chance(times: Floats, upper: Floats, sides: NDArray[np.int64], drift: Floats) -> Floats:
    """Chance to cross the upper bound at any look."""
    finite = np.where(np.isfinite(drift), drift, 0.0)
    bound = np.where(np.isfinite(upper), upper, np.inf)
    lower = np.where(sides[:, None] == 2, -bound, -np.inf)
    return crossing(np.broadcast_to(times, upper.shape), lower, bound, finite).upper.sum(axis=1)


def _defined(chance: Floats, drift: Floats, n: Floats) -> Floats:
    return np.where(np.isfinite(drift) & np.isfinite(n) & (n > 0), chance, np.nan)


def _spending(name: str, gamma: float) -> spending.Spending:
    if name == "hwang_shih_decani":
        return spending.hwang_shih_decani(gamma)
    return {"obrien_fleming": spending.obrien_fleming, "pocock": spending.pocock}[name]
