"""What a method of inference needs of a comparison beside its contrast."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.schedules import Schedules
from analysis.statistics.status import Floats


@dataclass(frozen=True)
class Design:
    """How each comparison is tested, in arrays over comparisons; NaN where a method does not ask.

    `alpha` is the two-sided level. `n` counts the units that the contrast is made of; `rho2` tunes a
    confidence sequence over them. A share needs `burn_in` events and non-events in each arm, another metric
    `burn_in_units` units. `schedule` is a row of `schedules` and `look` a column, -1 where no look is taken.
    The prior is normal, of the contrast's own value, flat if its sd is infinite; `rope` is the half-width of
    practical equivalence.
    """

    alpha: Floats
    is_share: NDArray[np.bool_]
    n: Floats
    rho2: Floats
    burn_in: Floats
    burn_in_units: Floats
    schedule: NDArray[np.int64]
    look: NDArray[np.int64]
    schedules: Schedules
    prior_mean: Floats
    prior_sd: Floats
    rope: Floats

    def take(self, index: NDArray[np.intp]) -> "Design":
        """The designs of some comparisons."""
        arrays = (field.name for field in fields(self) if field.name != "schedules")
        return replace(self, **{name: getattr(self, name)[index] for name in arrays})

    def at(self, alpha: Floats) -> "Design":
        """The same at other levels."""
        return replace(self, alpha=alpha)

    def about(self, scale: Floats | float, offset: Floats | float = 0.0) -> "Design":
        """The design of scale · value + offset."""
        return replace(self, prior_mean=scale * self.prior_mean + offset, prior_sd=np.abs(scale) * self.prior_sd)

    def of_one_arm(self, n: Floats) -> "Design":
        """The design of a contrast of one arm's n units alone, on which there is no prior."""
        with np.errstate(invalid="ignore", divide="ignore"):
            rho2 = self.rho2 * (self.n / n)
        flat = np.full_like(self.prior_sd, np.inf)
        return replace(self, n=n, rho2=rho2, prior_mean=np.zeros_like(flat), prior_sd=flat)
