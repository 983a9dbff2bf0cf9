"""How alike units of one cluster are, and what clusters of that kind are worth to a plan."""

from dataclasses import dataclass

import numpy as np

from analysis.statistics.status import Floats


@dataclass(frozen=True)
class Intracluster:
    """A metric's intracluster correlation, the number of clusters, and 1 + cv² of their sizes; arrays or numbers."""

    correlation: Floats | float
    clusters: Floats | float
    unevenness: Floats | float = 1.0

    def design_effect(self, units: Floats | float) -> Floats:
        """By how much the variance of a mean exceeds that of independent units, with so many in all clusters.

        1 + (m·(1 + cv²) − 1)·ICC, at least 1. Reference: Eldridge, Ashby & Kerry 2006, Int. J. Epidemiology 35.
        """
        size = np.asarray(units, dtype=float) / self.clusters * self.unevenness
        return np.asarray(1 + np.maximum(size - 1, 0) * self.correlation)

    def units_for(self, independent: Floats | float) -> Floats:
        """Units that are worth so many independent ones; infinite where the clusters are too few for any number."""
        n = np.asarray(independent, dtype=float)
        left = 1 - n * self.correlation * self.unevenness / self.clusters
        with np.errstate(divide="ignore", invalid="ignore"):
            units = np.where(left > 0, n * (1 - self.correlation) / left, np.inf)
        return np.asarray(np.where(np.isnan(n), np.nan, np.maximum(units, n)))


def intracluster(size: Floats, total: Floats, arm: np.ndarray, variance: Floats) -> Intracluster:
    """The analysis of variance's estimate, at least 0, from clusters of all arms together.

    Arrays (clusters): units, the sum of their deviations from their arm's mean, and the number of the arm; `variance`
    (arms) is a unit's. NaN where no arm has two clusters, or no cluster two units.
    Reference: Donner & Klar 2000, Design and analysis of cluster randomization trials, section 1.3.
    """
    between = within = 0.0
    df_between = df_within = 0
    spread = 0.0
    for number, of_unit in enumerate(np.asarray(variance, dtype=float)):
        n, z = size[(arm == number) & (size > 0)], total[(arm == number) & (size > 0)]
        if n.size < 2:
            continue
        squares = float((z**2 / n).sum())
        between, within = between + squares, within + max((n.sum() - 1) * of_unit - squares, 0.0)
        df_between, df_within = df_between + n.size - 1, df_within + int(n.sum()) - n.size
        spread += float(n.sum() - (n**2).sum() / n.sum())
    clusters, units = np.count_nonzero(size > 0), float(size.sum())
    unevenness = clusters * float((size**2).sum()) / units**2 if units else np.nan
    if not df_between or not df_within or not between + within > 0:
        return Intracluster(np.nan, float(clusters), unevenness)
    mean_between, mean_within = between / df_between, within / df_within
    usual = spread / df_between
    correlation = (mean_between - mean_within) / (mean_between + (usual - 1) * mean_within)
    return Intracluster(max(float(correlation), 0.0), float(clusters), unevenness)
