"""Why an estimate is, or is not, a number: one code per comparison."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]


class Status(IntEnum):
    """What stands in the way of an estimate; where several do, the lowest code wins. OK is 0."""

    OK = 0
    NO_UNITS = 1
    ZERO_DENOMINATOR = 2
    OVERFLOW = 3
    NOT_COMPUTED = 4
    FAILED = 5
    TOO_FEW_UNITS = 6
    ZERO_VARIANCE = 7
    IMPRECISE = 8
    ZERO_BASELINE = 9
    BURN_IN = 10
    NO_LOOK = 11


REASONS: dict[Status, str] = {
    Status.OK: "",
    Status.NO_UNITS: "an arm has no units: none exposed yet, or none whose window has matured",
    Status.NOT_COMPUTED: "a moment is missing",
    Status.OVERFLOW: "a moment or its combination exceeds the range of a double",
    Status.FAILED: "the moments are inconsistent: a variance is negative",
    Status.TOO_FEW_UNITS: "an arm has fewer than 2 units, so it has no variance",
    Status.ZERO_DENOMINATOR: "the denominator's mean is 0 in an arm, so its ratio is undefined",
    Status.ZERO_VARIANCE: "the effect has no variance in either arm, so it has no test or interval",
    Status.IMPRECISE: "doubles cannot resolve a difference of means this large for their standard error",
    Status.ZERO_BASELINE: "the baseline mean is 0, so a relative effect or margin is undefined",
    Status.BURN_IN: "an arm has fewer units, or of a share events or non-events, than the burn-in asks for",
    Status.NO_LOOK: "no look has been taken yet",
}


def first_status(*tests: tuple[NDArray[np.bool_], Status]) -> Codes:
    """Per element the status with the lowest code among the tests that are true, else OK."""
    ordered = sorted(tests, key=lambda test: test[1])
    codes = np.select([test for test, _ in ordered], [status for _, status in ordered], Status.OK)
    return codes.astype(np.int8)
