"""The regressions that a difference in differences takes from pyfixest, which the extra `quasi` installs."""

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pandas as pd

from analysis.quasi.study import Floats


class MissingPackageError(RuntimeError):
    """A package of an optional extra is not installed."""


@dataclass(frozen=True)
class Fit:
    """Coefficients with their covariance, clustered by unit."""

    names: tuple[str, ...]
    effects: Floats
    covariance: Floats

    @property
    def first(self) -> tuple[float, float]:
        """The first coefficient and its standard error."""
        return float(self.effects[0]), float(np.sqrt(self.covariance[0, 0]))


def pyfixest() -> ModuleType:
    """The package; it takes half a second to import, and is not there without the extra."""
    try:
        import pyfixest
    except ImportError as error:
        raise MissingPackageError("difference_in_differences needs pyfixest: pip install 'equipoise[quasi]'") from error
    return pyfixest


def two_stage(rows: pd.DataFrame) -> Fit:
    """The average effect on the treated by two-stage difference in differences (Gardner 2022).

    Effects of units and days are those of rows without the change, so no treated row serves as a comparison.
    """
    fit = pyfixest().event_study(
        rows, yname="y", idname="unit", tname="day", gname="cohort", estimator="did2s", att=True, cluster="unit"
    )
    return _taken(fit)


def two_way(rows: pd.DataFrame) -> Fit:
    """Two-way fixed effects: with staggered adoption it compares adopters with earlier ones (Goodman-Bacon 2021)."""
    fit = pyfixest().event_study(
        rows, yname="y", idname="unit", tname="day", gname="cohort", estimator="twfe", att=True, cluster="unit"
    )
    return _taken(fit)


def within(rows: pd.DataFrame, columns: list[str]) -> Fit:
    """Regression of `y` on columns, with effects of units and days."""
    fit = pyfixest().feols(f"y ~ {' + '.join(columns)} | unit + day", data=rows, vcov={"CRV1": "unit"})
    return _taken(fit)


def _taken(fit: object) -> Fit:
    coefficients = fit.coef()  # type: ignore[attr-defined]
    covariance = np.atleast_2d(np.asarray(fit._vcov, dtype=np.float64))  # type: ignore[attr-defined]
    return Fit(
        names=tuple(map(str, coefficients.index)),
        effects=coefficients.to_numpy(dtype=np.float64),
        covariance=covariance,
    )
