"""Propensities that exposures log, in place of the allocation that was published, and what they are held against."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.bandits.frames import days_of, propensities
from analysis.periods import as_days
from analysis.statistics.status import Floats
from configs.schema import Experiment

# A day's logged chances add up to 1 but for rounding in the log, which is scaled away; by more, and they are wrong.
MOST_ROUNDING = 0.01
# A logged chance this far from the published share is another one, not a rounded one.
LEAST_GAP = 0.005
LOOK_COLUMNS = {
    "as_of_date": "datetime64[us]",
    "experiment_id": "str",
    "n_units": "int64",
    "n_impossible": "int64",
    "n_apart": "int64",
    "largest_gap": "float64",
}


def shares_of(
    allocations: pd.DataFrame, experiment: Experiment, dates: Sequence[pd.Timestamp], logged: pd.DataFrame | None
) -> Floats:
    """The chance of each variant on each day: as published (days, variants), or logged (as-of dates, days, variants).

    `logged` is fct_logged_propensities. A variant that nobody logged on a day shares what the others leave, as it was
    published; a day without any logged chance has the published ones.
    """
    published = propensities(allocations, experiment)
    is_logged = experiment.bandit is not None and experiment.bandit.propensity is not None
    if logged is None or not is_logged or not dates:
        return published
    own = _possible(logged[logged["experiment_id"] == experiment.id])
    return np.stack([_as_of(own[own["known_from"] <= day], experiment, published) for day in dates])


def propensity_looks(
    allocations: pd.DataFrame, experiment: Experiment, dates: Sequence[pd.Timestamp], logged: pd.DataFrame
) -> pd.DataFrame:
    """At each as-of date how many units logged a chance that cannot be, or another one than was published."""
    own = logged[logged["experiment_id"] == experiment.id]
    chance = _chance(own)
    published = propensities(allocations, experiment)
    row, column = _places(own, experiment)
    is_placed = (row >= 0) & (column >= 0)
    gap = np.abs(chance - np.where(is_placed, published[row, column], np.nan))
    n, known_from = own["n_units"].to_numpy(dtype=np.int64), as_days(own["known_from"])
    is_impossible, is_apart = np.isnan(chance), gap > LEAST_GAP
    rows = []
    for day in dates:
        is_known = (known_from <= day).to_numpy()
        rows.append(
            {
                "as_of_date": day,
                "experiment_id": experiment.id,
                "n_units": int(n[is_known].sum()),
                "n_impossible": int(n[is_known & is_impossible].sum()),
                "n_apart": int(n[is_known & is_apart].sum()),
                "largest_gap": float(np.nanmax(gap[is_known & ~np.isnan(gap)], initial=0.0)),
            }
        )
    return pd.DataFrame(rows, columns=list(LOOK_COLUMNS)).astype(LOOK_COLUMNS)


def _as_of(rows: pd.DataFrame, experiment: Experiment, published: Floats) -> Floats:
    """Means of what the units of a day and arm logged, completed and scaled to 1."""
    row, column = _places(rows, experiment)
    is_placed = (row >= 0) & (column >= 0)
    units, sums = np.zeros(published.shape), np.zeros(published.shape)
    n = rows["n_units"].to_numpy(dtype=float)
    np.add.at(units, (row[is_placed], column[is_placed]), n[is_placed])
    np.add.at(sums, (row[is_placed], column[is_placed]), (n * rows["chance"].to_numpy(dtype=float))[is_placed])
    is_logged = units > 0
    chance = sums / np.maximum(units, 1)
    left = np.maximum(1 - chance.sum(axis=1, keepdims=True), 0.0)
    usual = np.where(is_logged, 0.0, np.where(np.isnan(published), 1 / published.shape[1], published))
    whole = usual.sum(axis=1, keepdims=True)
    chance = np.where(is_logged, chance, left * usual / np.where(whole > 0, whole, 1.0))
    total = chance.sum(axis=1, keepdims=True)
    scaled = np.where(np.abs(total - 1) <= MOST_ROUNDING, chance / np.where(total > 0, total, 1.0), chance)
    return np.where(is_logged.any(axis=1, keepdims=True), scaled, published)


def _possible(rows: pd.DataFrame) -> pd.DataFrame:
    found = rows.assign(chance=_chance(rows), known_from=as_days(rows["known_from"]))
    return found[found["chance"].notna()]


def _chance(rows: pd.DataFrame) -> Floats:
    """Logged chances as numbers; NaN where there is none from above 0 to 1."""
    chance = pd.to_numeric(rows["propensity"], errors="coerce").to_numpy(dtype=float)
    with np.errstate(invalid="ignore"):
        return np.where((chance > 0) & (chance <= 1), chance, np.nan)


def _places(rows: pd.DataFrame, experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Each row's day and variant as positions; -1 for another."""
    variants = [variant.id for variant in experiment.variants]
    return (
        pd.Index(days_of(experiment)).get_indexer(pd.Index(as_days(rows["batch_date"]))),
        pd.Index(variants).get_indexer(pd.Index(rows["variant_id"].astype("str"))),
    )
