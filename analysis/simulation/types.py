"""Array types of the simulation. Times are UTC, in microseconds since 1970 (int64)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.signedinteger[Any]]
BoolArray = NDArray[np.bool_]

SECOND = 1_000_000
DAY = 86_400 * SECOND
