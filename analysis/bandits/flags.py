"""Flags along axes, with the type that a status is made of."""

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


def anywhere(flags: Flags, axis: int | tuple[int, ...] = -1) -> Flags:
    """Whether a flag is set anywhere along the axes."""
    return np.asarray(np.any(flags, axis=axis))


def everywhere(flags: Flags, axis: int | tuple[int, ...] = -1) -> Flags:
    """Whether all flags are set along the axes."""
    return np.asarray(np.all(flags, axis=axis))
