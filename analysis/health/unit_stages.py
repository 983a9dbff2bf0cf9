"""The stages that a unit passes, each as a table of the arms' units: where it may get lost on its way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.periods import as_days
from analysis.statistics.imbalance_scan import ArmTable
from configs.schema import Experiment

Floats = NDArray[np.float64]
NO_ARM = -1
UNKNOWN = "unknown"


@dataclass(frozen=True)
class JoinedSource:
    """An event source: the column of `UnitStates.states` with the date of a unit's first event, and its window."""

    column: str
    window_days: int | None


@dataclass(frozen=True)
class UnitStates:
    """What became of an experiment's units, counted by as-of dates.

    `states`: `known_from` (the first as-of date at which it holds), `known_until` (the first at which it does not),
    `exposed_date, variant_id, hashed_variant_id, is_mixed, n_units`, a column for each of `segments`, and for each of
    `joined` (by source id) the date at which an event of it was known. `refused`: the same without `is_mixed` and the
    latter, of units whose exposures were refused.
    """

    states: pd.DataFrame
    refused: pd.DataFrame
    segments: tuple[str, ...] = ()
    joined: Mapping[str, JoinedSource] = field(default_factory=dict)


class Stage(NamedTuple):
    """A stage that units may get lost at; `source_id` of `joined`, else empty."""

    stage: str
    source_id: str = ""


@dataclass(frozen=True)
class StageTables:
    """The tables of one as-of date over the same strata; days count from `first_day`.

    `labels`: of each segment, its values by their codes.
    """

    first_day: date
    labels: tuple[tuple[str, ...], ...]
    tables: Mapping[Stage, ArmTable]


@dataclass(frozen=True)
class _Units:
    """Counts with the stratum and arm of each; a stratum is a day and a value of each segment."""

    n: Floats
    stratum: NDArray[np.intp]
    arm: NDArray[np.intp]
    hashed_arm: NDArray[np.intp]
    is_mixed: NDArray[np.bool_]
    is_refused: NDArray[np.bool_]
    joined: Mapping[str, NDArray[np.bool_]]
    codes: NDArray[np.intp]
    day: NDArray[np.intp]
    n_arms: int

    def table(self, chosen: NDArray[np.bool_], arm: NDArray[np.intp] | None = None) -> Floats:
        """Units by stratum and arm."""
        arms = self.arm if arm is None else arm
        counts = np.zeros((len(self.day), self.n_arms))
        np.add.at(counts, (self.stratum[chosen], arms[chosen]), self.n[chosen])
        return counts


def stage_tables(experiment: Experiment, units: UnitStates, as_of: date, exposed_by: date) -> StageTables | None:
    """The stages of the units exposed until `exposed_by`, as known at `as_of`; None if there is none.

    `exposed`: units in the exposure log, refused ones too, against the configured ratio; by their hash where it is
    declared, and `assigned` then compares their arm with it. `refused`: whose exposures were accepted. `mixed`: who is
    left in the analysis. `joined`: who has an event of a source, of those whose window has passed at `as_of`.
    """
    rows = _as_known(units, as_of, exposed_by)
    if rows.empty:
        return None
    first = rows["exposed_date"].min().date()
    found, labels = _coded(experiment, units, rows, as_of)
    return StageTables(first, labels, dict(_tables(experiment, units, found, first, as_of)))


def _tables(
    experiment: Experiment, units: UnitStates, found: _Units, first: date, as_of: date
) -> Iterator[tuple[Stage, ArmTable]]:
    everyone = np.ones(len(found.n), dtype=bool)
    accepted = ~found.is_refused
    is_hashed = experiment.hashing is not None and len(experiment.allocation) <= 1
    own_arm = np.where(is_hashed & (found.hashed_arm != NO_ARM), found.hashed_arm, found.arm)
    meant = found.table(everyone, own_arm)
    weights = _weights(experiment, first, int(found.day.max()) + 1)[found.day]
    yield Stage("exposed"), ArmTable(meant, meant.sum(axis=1, keepdims=True) * weights, found.codes, found.day)
    logged = found.table(everyone)
    if is_hashed:
        yield Stage("assigned"), ArmTable(logged, meant, found.codes, found.day, "moved")
    exposed = found.table(accepted)
    yield Stage("refused"), ArmTable(exposed, logged, found.codes, found.day, "lost")
    kept = accepted & ~found.is_mixed
    yield Stage("mixed"), ArmTable(found.table(kept), exposed, found.codes, found.day, "lost")
    for source_id, source in sorted(units.joined.items()):
        until = (as_of - timedelta(days=source.window_days or 0) - first).days
        ripe = found.day <= until
        if ripe.any():
            joined, units_kept = found.table(kept & found.joined[source_id])[ripe], found.table(kept)[ripe]
            yield Stage("joined", source_id), ArmTable(joined, units_kept, found.codes[ripe], found.day[ripe], "lost")


def _as_known(units: UnitStates, as_of: date, exposed_by: date) -> pd.DataFrame:
    frames = [units.states.assign(is_refused=False)]
    if len(units.refused):
        frames.append(units.refused.assign(is_refused=True, is_mixed=False))
    rows = pd.concat(frames, ignore_index=True)
    rows["exposed_date"] = as_days(rows["exposed_date"])
    day = pd.Timestamp(as_of)
    until = as_days(rows["known_until"])
    is_known = (as_days(rows["known_from"]) <= day) & (until.isna() | (until > day))
    return rows[is_known & (rows["exposed_date"] <= pd.Timestamp(exposed_by))].reset_index(drop=True)


def _coded(
    experiment: Experiment, units: UnitStates, rows: pd.DataFrame, as_of: date
) -> tuple[_Units, tuple[tuple[str, ...], ...]]:
    arms = {variant.id: position for position, variant in enumerate(experiment.variants)}
    if unknown := sorted(set(rows["variant_id"]) - arms.keys()):
        raise ValueError(f"units are in variant {unknown[0]!r}, unknown to experiment {experiment.id!r}")
    days = (rows["exposed_date"] - rows["exposed_date"].min()).dt.days.to_numpy(dtype=np.intp)
    coded = [pd.factorize(rows[name].fillna(UNKNOWN).astype("str"), sort=True) for name in units.segments]
    keys = np.column_stack([days, *(codes for codes, _ in coded)]).astype(np.intp)
    stratum, first = _numbered(keys)
    strata = keys[first]
    found = _Units(
        n=rows["n_units"].to_numpy(dtype=float),
        stratum=stratum,
        arm=rows["variant_id"].map(arms).to_numpy(dtype=np.intp),
        hashed_arm=rows["hashed_variant_id"].map(arms).fillna(NO_ARM).to_numpy(dtype=np.intp),
        is_mixed=rows["is_mixed"].to_numpy(dtype=bool),
        is_refused=rows["is_refused"].to_numpy(dtype=bool),
        joined={
            id_: (as_days(rows[one.column]) <= pd.Timestamp(as_of)).to_numpy() for id_, one in units.joined.items()
        },
        codes=strata[:, 1:],
        day=strata[:, 0],
        n_arms=len(arms),
    )
    return found, tuple(tuple(str(value) for value in values) for _, values in coded)


def _numbered(keys: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The number of each row's combination of keys, and the first row of each number."""
    number = pd.DataFrame(keys).groupby(list(range(keys.shape[1])), sort=True).ngroup().to_numpy(dtype=np.intp)
    return number, np.unique(number, return_index=True)[1]


def _weights(experiment: Experiment, first: date, n_days: int) -> Floats:
    """Each day's configured shares (days, arms)."""
    epochs = [(one.from_, one.weights) for one in experiment.allocation]
    if not epochs:
        epochs = [(first, {variant.id: variant.weight for variant in experiment.variants})]
    weights = np.zeros((n_days, len(experiment.variants)))
    for from_date, by_variant in sorted(epochs, key=lambda epoch: epoch[0]):
        weights[max(0, (from_date - first).days) :] = [by_variant.get(one.id, 0.0) for one in experiment.variants]
    return weights
