"""How likely a schedule with given boundaries stops at each look, whatever the drift."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.statistics.group_sequential.recursion import (
    REACH,
    looks,
    lower_tail,
    paths,
    upper_tail,
)
from analysis.statistics.status import Floats


@dataclass(frozen=True)
class Crossing:
    """Chance to stop first at each look, above and below: both (schedules, looks). `information` likewise."""

    upper: Floats
    lower: Floats
    information: Floats

    @property
    def expected_information(self) -> Floats:
        """Mean information at the end, as a share of the plan: the last look ends those that never cross."""
        last = np.max(self.information, axis=1)
        stops = self.upper + self.lower
        return last + np.sum(stops * (self.information - last[:, None]), axis=1)


def crossing(information: ArrayLike, lower: ArrayLike, upper: ArrayLike, drift: ArrayLike = 0.0) -> Crossing:
    """Probabilities to leave (lower, upper), in Z, for the first time at each look.

    All broadcast to (schedules, looks), information NaN where there is no look; `drift` (schedules,) is the
    mean of Z at information 1. Reference: Armitage, McPherson, Rowe 1969, JRSS A 132, eq. 2.2.
    """
    fractions, low, high = (
        np.array(x) for x in np.broadcast_arrays(*(np.atleast_2d(np.asarray(x, dtype=float)) for x in
                                                    (information, lower, upper)))
    )  # fmt: skip
    theta = np.atleast_1d(np.asarray(drift, dtype=float))
    batch = np.broadcast_shapes((fractions.shape[0],), theta.shape)[0]
    fractions, low, high = (np.broadcast_to(x, (batch, x.shape[1])) for x in (fractions, low, high))
    theta = np.broadcast_to(theta, (batch,))
    schedule = looks(fractions)
    centre = theta[:, None] * np.sqrt(schedule.information)
    # Paths that start with the drift reach no farther than this.
    left, right = np.clip(low, centre - REACH, centre + REACH), np.clip(high, centre - REACH, centre + REACH)
    above, below = np.zeros_like(fractions), np.zeros_like(fractions)
    for look, running in enumerate(paths(schedule, theta, left, right)):
        step, root = schedule.at(look)
        active = schedule.active[:, look]
        above[:, look] = np.where(active, upper_tail(running, step, theta, high[:, look] * root), 0.0)
        below[:, look] = np.where(active, lower_tail(running, step, theta, low[:, look] * root), 0.0)
    return Crossing(above, below, schedule.information)
