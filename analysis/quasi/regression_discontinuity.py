"""Units on the two sides of a cut-off, by rdrobust; its licence is the GPL, so that it is an extra of its own."""

from types import ModuleType
from typing import Any

import numpy as np

from analysis.quasi.pyfixest_models import MissingPackageError
from analysis.quasi.study import TOO_FEW_UNITS, Check, Estimate, Floats, Study, failure, tested, unjudged

DENSITY, BALANCE, PLACEBO = "density", "balance", "placebo_cutoffs"
LEAST_UNITS = 100
"""On each side of the cut-off; fewer leave no bandwidth to choose."""


def regression_discontinuity(
    running: Floats,
    outcome: Floats,
    covariates: Floats,
    names: tuple[str, ...],
    cutoff: float,
    *,
    is_treated_above: bool,
) -> Study:
    """The jump of the outcome at the cut-off, with checks that nothing else jumps there.

    Local linear regressions with the bandwidth of least mean squared error, bias-corrected, with robust errors
    (Calonico, Cattaneo & Titiunik 2014, Econometrica 82). Checks: the running variable's density (Cattaneo, Jansson &
    Ma 2020, JASA 115), covariates at the cut-off, and cut-offs that never were, at the medians of both sides.
    """
    keep = ~(np.isnan(running) | np.isnan(outcome))
    running, outcome, covariates = running[keep], outcome[keep], covariates[keep]
    is_above = running >= cutoff
    is_treated = is_above == is_treated_above
    counts: dict[str, Any] = {"counted": "units", "n_observations": len(running), "method": "rdrobust"}
    counts |= {"n_treatment": int(is_treated.sum()), "n_baseline": int((~is_treated).sum())}
    if min(counts["n_treatment"], counts["n_baseline"]) < LEAST_UNITS:
        sizes = f"{counts['n_treatment']} treated and {counts['n_baseline']} other units"
        return failure(TOO_FEW_UNITS, f"{sizes}; it takes {LEAST_UNITS} of each", **counts)
    sign = 1.0 if is_treated_above else -1.0
    effect, se, _, bandwidth = jump(outcome, running, cutoff)
    is_near = np.abs(running - cutoff) <= bandwidth
    estimate = Estimate(
        **counts,
        effect=sign * effect,
        se=se,
        df=np.inf,
        treatment_mean=float(outcome[is_near & is_treated].mean()),
        reason=f"of the {int(is_near.sum())} units within {bandwidth:.4g} of the cut-off",
    )
    balance = (_balance(covariates[:, place], running, cutoff, name) for place, name in enumerate(names))
    return Study((estimate,), (_density(running, cutoff), *balance, _placebos(running, outcome, cutoff)))


def jump(outcome: Floats, running: Floats, cutoff: float) -> tuple[float, float, float, float]:
    """The bias-corrected jump with its robust standard error and p-value, and the bandwidth."""
    fit = _package("rdrobust").rdrobust(outcome, running, c=cutoff)
    effect, se, p_value = (
        float(table.loc[row].iloc[0]) for table, row in ((fit.coef, "Robust"), (fit.se, "Robust"), (fit.pv, "Robust"))
    )
    return effect, se, p_value, float(fit.bws.loc["h"].max())


def _package(name: str) -> ModuleType:
    try:
        return __import__(name)
    except ImportError as error:
        message = f"regression_discontinuity needs {name}, which is under the GPL: pip install 'equipoise[rd]'"
        raise MissingPackageError(message) from error


def _density(running: Floats, cutoff: float) -> Check:
    """Whether units are as frequent just above the cut-off as just below: who can choose a side is no chance."""
    test = _package("rddensity").rddensity(running, c=cutoff)
    p_value = float(test.test["p_jk"])
    if np.isnan(p_value):
        return unjudged(DENSITY, "too few different values around the cut-off")
    left, right = (float(np.ravel(value)[0]) for value in (test.hat["left"], test.hat["right"]))
    return tested(
        DENSITY,
        right - left,
        p_value,
        f"units are {left:.4g} dense just below the cut-off and {right:.4g} just above (p {p_value:.2g})",
    )


def _balance(covariate: Floats, running: Floats, cutoff: float, name: str) -> Check:
    keep = ~np.isnan(covariate)
    if not np.ptp(covariate[keep]) > 0:
        return tested(f"{BALANCE}_{name}", 0.0, 1.0, f"{name} is the same for all units: it jumps nowhere")
    effect, _, p_value, _ = jump(covariate[keep], running[keep], cutoff)
    return tested(
        f"{BALANCE}_{name}",
        effect,
        p_value,
        f"{name} jumps by {effect:+.4g} at the cut-off (p {p_value:.2g})",
    )


def _placebos(running: Floats, outcome: Floats, cutoff: float) -> Check:
    """The jump at the median of each side, of that side's units alone."""
    found = []
    for side in (running < cutoff, running >= cutoff):
        middle = float(np.median(running[side]))
        if min((running[side] < middle).sum(), (running[side] >= middle).sum()) >= LEAST_UNITS // 2:
            effect, _, p_value, _ = jump(outcome[side], running[side], middle)
            found.append((p_value, effect, middle))
    if not found:
        return unjudged(PLACEBO, "too few units on either side")
    p_value, effect, middle = min(found)
    p_value = min(1.0, p_value * len(found))
    return tested(
        PLACEBO,
        effect,
        p_value,
        f"of {len(found)} cut-offs that never were, {middle:.4g} stands out most: {effect:+.4g}"
        f" (p {p_value:.2g} over all)",
    )
