"""From the plan and the estimates to the design of every comparison's tests."""

import numpy as np
import pandas as pd

from analysis.statistics.bayesian.normal import WEAK_RELATIVE_SD
from analysis.statistics.confidence_sequence import best_rho2
from analysis.statistics.design import Design
from analysis.statistics.estimate import Contrast, Estimate
from analysis.statistics.schedules import Schedules
from analysis.statistics.status import Floats


def comparison_designs(rows: pd.DataFrame, estimate: Estimate, schedules: Schedules) -> Design:
    """The design of each effect's test; priors in the metric's unit.

    A weak prior is of the relative effect whatever the scale. A baseline of 0 has no relative effect: no prior of it
    (flat), and no region around it.
    """
    base = estimate.baseline
    scale = np.where(rows["is_relative_scale"], np.where(base.mean == 0, np.nan, np.abs(base.mean)), 1.0)
    configured = rows["prior_sd"].to_numpy() * scale
    kinds = rows["prior"].to_numpy()
    spread = np.select([kinds == "flat", kinds == "weak"], [np.inf, WEAK_RELATIVE_SD * np.abs(base.mean)], configured)
    return Design(
        alpha=rows["alpha"].to_numpy(),
        is_share=rows["is_share"].to_numpy(),
        n=base.n + estimate.treatment.n,
        rho2=_rho2(rows),
        burn_in=rows["burn_in"].to_numpy(),
        burn_in_units=rows["burn_in_units"].to_numpy(),
        schedule=rows["schedule"].to_numpy(),
        look=np.where(rows["is_look"], rows["look"].fillna(0), 0).astype(np.int64) - 1,
        schedules=schedules,
        prior_mean=np.where(kinds == "informative", rows["prior_mean"].to_numpy() * scale, 0.0),
        prior_sd=spread,
        rope=rows["rope"].to_numpy() * scale,
    )


def _rho2(rows: pd.DataFrame) -> Floats:
    """Tuned to the planned units at the experiment's alpha, also for intervals of other levels."""
    if (rows["inference"] != "always_valid").all():
        return np.full(len(rows), np.nan)
    return best_rho2(rows["planned_n"].to_numpy(), rows["alpha"].to_numpy())


def about_margin(design: Design, estimate: Estimate, contrast: Contrast, sign: Floats) -> Design:
    """The design of sign · effect + margin, whatever the margin: the prior is of the effect alone."""
    return design.about(sign, contrast.value - sign * estimate.effect)
