"""Units' values summed by buckets of randomisation units: what calibration knows of the units."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.calibration.third_moments import centred, third_central_moment, triples
from analysis.statistics.further_covariates import covariance_column, mean_column
from analysis.statistics.status import Floats

# Names of the values: numerator, denominator, covariate, whether there was no history; further covariates: x1, x2, …
OWN = {"y": "value", "d": "denominator", "x": "covariate", "h": "no_history"}
MEANS = {"y": "mean", "d": "denominator_mean", "x": "covariate_mean", "h": "no_history_share"}
COVARIANCES = {
    ("y", "y"): "variance",
    ("d", "d"): "denominator_variance",
    ("x", "x"): "covariate_variance",
    ("y", "d"): "denominator_covariance",
    ("y", "x"): "covariate_covariance",
    ("y", "h"): "no_history_covariance",
    ("x", "h"): "covariate_no_history_covariance",
    ("d", "x"): "denominator_covariate_covariance",
    ("d", "h"): "denominator_no_history_covariance",
}


@dataclass(frozen=True)
class BucketSums:
    """A metric's sums in each cell, a bucket of units within an allocation epoch, about common centres.

    `values` names the k values of a unit (`MEANS`), `centre` (k,) holds a centre each in the metric's unit, `n`
    (cells,) counts units; `first` (cells, k), `second` (cells, k, k) and `third` (cells, `triples`) sum deviations,
    their products and triple products.
    """

    values: tuple[str, ...]
    centre: Floats
    n: Floats
    first: Floats
    second: Floats
    third: Floats

    @classmethod
    def from_integers(
        cls,
        values: tuple[str, ...],
        n: NDArray,
        first: NDArray,
        second: NDArray,
        third: NDArray,
        scale: Floats,
        *,
        is_share: bool,
    ) -> "BucketSums":
        """Centre exact sums of quantised values (arrays of Python integers), so that no variance cancels.

        `scale` (k,) is how many steps make one unit of each value. A share's own centre is 0.
        """
        total = max(int(n.sum()), 1)
        centre = np.array([_rounded(int(column.sum()), total) for column in first.T], dtype=object)
        if is_share:
            centre[0] = 0
        outer = centre[:, None] * centre
        crossed = first[:, :, None] * centre + first[:, None, :] * centre[:, None]
        moved = second - crossed + n[:, None, None] * outer
        deviations = first - n[:, None] * centre
        at = triples(values, is_share=is_share)
        steps = np.array([scale[i] * scale[j] * scale[k] for i, j, k in at])
        return cls(
            values,
            centre.astype(float) / scale,
            n.astype(float),
            deviations.astype(float) / scale,
            moved.astype(float) / (scale[:, None] * scale),
            centred(at, n, first, second, third, centre).astype(float) / steps,
        )

    @classmethod
    def from_units(cls, bucket: NDArray[np.intp], is_share: bool = False, **values: Floats) -> "BucketSums":
        """The sums of unit-level values y, d, x, h, x1, …; `bucket` numbers each unit's cell from 0."""
        names = (*(name for name in MEANS if name in values), *(name for name in values if name not in MEANS))
        unit = np.stack([np.asarray(values[name], dtype=float) for name in names], axis=-1)
        centre = unit.mean(axis=0)
        if is_share:
            centre[0] = 0.0
        cells = int(bucket.max()) + 1
        away = unit - centre
        first = np.zeros((cells, len(names)))
        second = np.zeros((cells, len(names), len(names)))
        np.add.at(first, bucket, away)
        np.add.at(second, bucket, away[:, :, None] * away[:, None, :])
        at = triples(names, is_share=is_share)
        third = np.zeros((cells, len(at)))
        for column, (i, j, k) in enumerate(at):
            np.add.at(third[:, column], bucket, away[:, i] * away[:, j] * away[:, k])
        return cls(names, centre, np.bincount(bucket, minlength=cells).astype(float), first, second, third)

    @property
    def pooled_mean(self) -> float:
        """The mean of all units, of a ratio the ratio of means; NaN without units."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = self.centre + self.first.sum(axis=0) / self.n.sum()
            return float(mean[0] / mean[1] if "d" in self.values else mean[0])

    @property
    def stacked(self) -> Floats:
        """All sums side by side (cells, 1 + k + k² + triples)."""
        second = self.second.reshape(len(self.n), -1)
        return np.concatenate([self.n[:, None], self.first, second, self.third], axis=1)

    def split(self, stacked: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """`n`, `first`, `second` and `third` again, from stacked sums along the last axis."""
        k = len(self.values)
        end = 1 + k + k * k
        second = stacked[..., 1 + k : end].reshape(*stacked.shape[:-1], k, k)
        return stacked[..., 0], stacked[..., 1 : 1 + k], second, stacked[..., end:]


def moment_columns(
    values: tuple[str, ...], centre: Floats, n: Floats, first: Floats, second: Floats, third: Floats
) -> dict[str, Floats]:
    """Sums of groups of units as columns of metric_moments, arrays of the shape of `n`; NaN where undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = first / n[..., None]
        covariance = (second - first[..., :, None] * offset[..., None, :]) / (n - 1)[..., None, None]
    mean = centre + offset
    undefined = n < 2
    further = {name: int(name[1:]) for name in values if name not in MEANS}
    columns = {"n_units": n, "third_central_moment": third_central_moment(values, centre, n, first, second, third)}
    columns |= {mean_column(further[name]) if name in further else MEANS[name]: mean[..., i]
                for i, name in enumerate(values)}  # fmt: skip
    pairs = {pair: name for pair, name in COVARIANCES.items() if pair[0] in values and pair[1] in values}
    for name, number in further.items():
        pairs |= {(name, other): covariance_column(number, OWN[other]) for other in values if other in OWN}
        pairs |= {(name, other): covariance_column(number, at) for other, at in further.items() if at <= number}
    for (left, right), name in pairs.items():
        found = covariance[..., values.index(left), values.index(right)]
        columns[name] = np.where(undefined, np.nan, found)
    return columns


def _rounded(total: int, n: int) -> int:
    return (2 * total + n) // (2 * n)
