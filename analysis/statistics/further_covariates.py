"""An arm's columns about covariates beside its own one, and the joint moments that hold them too."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.moments import JointMoments
from analysis.statistics.status import Floats

PREFIX = "further_"
MEANS_OWN = ("value", "covariate", "no_history")
RATIOS_OWN = ("value", "denominator", "covariate", "no_history")
"""The variables before further ones, in the order of the joint moments of a mean, and of a ratio."""


def mean_column(number: int) -> str:
    """The column of a further covariate's mean; they are numbered from 1, in the order in which they enter."""
    return f"{PREFIX}{number}_mean"


def covariance_column(number: int, other: int | str) -> str:
    """The column of its covariance with an own variable by name, or with one up to itself by number."""
    return f"{PREFIX}{number}_with_{other}"


def further_columns(count: int, own: tuple[str, ...] = RATIOS_OWN) -> list[str]:
    """All columns of so many further covariates."""
    numbers = range(1, count + 1)
    others = {number: (*own, *range(1, number + 1)) for number in numbers}
    return [
        *(mean_column(number) for number in numbers),
        *(covariance_column(number, other) for number in numbers for other in others[number]),
    ]


def n_further(columns: Mapping[str, Floats]) -> NDArray[np.int64]:
    """How many further covariates each row has: those whose mean is known, without a gap from the first on."""
    count = np.zeros(len(columns["n_units"]), dtype=np.int64)
    for number in range(1, len(columns) + 1):
        if mean_column(number) not in columns:
            break
        count[(count == number - 1) & ~np.isnan(columns[mean_column(number)])] = number
    return count


def restricted(columns: Mapping[str, Floats], index: NDArray[np.intp], count: int) -> dict[str, Floats]:
    """Some rows' columns, of further covariates those of the first `count`."""
    kept = frozenset(further_columns(count))
    return {name: values[index] for name, values in columns.items() if name in kept or not name.startswith(PREFIX)}


def with_further(moments: JointMoments, columns: Mapping[str, Floats], own: tuple[str, ...]) -> JointMoments:
    """Joint moments of a value, its `own` variables, and the further covariates that the columns have."""
    count = sum(name.startswith(PREFIX) and name.endswith("_mean") for name in columns)
    if not count:
        return moments
    k = len(own)
    covariance = np.empty((*moments.n.shape, k + count, k + count))
    covariance[..., :k, :k] = moments.covariance
    for number in range(1, count + 1):
        at = k + number - 1
        for place, other in enumerate((*own, *range(1, number + 1))):
            covariance[..., at, place] = covariance[..., place, at] = columns[covariance_column(number, other)]
    means = [columns[mean_column(number)][..., None] for number in range(1, count + 1)]
    return JointMoments(moments.n, np.concatenate([moments.mean, *means], axis=-1), covariance)
