"""Which rows are looks of a group sequential test, and the schedule of looks behind each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.running import KEYS, Timeline, timeline
from analysis.statistics.multiplicity import family_sizes
from analysis.statistics.schedules import Schedules, SpendingOptions
from analysis.statistics.status import Floats

# A look that adds less information than this share of the plan is none.
LEAST_INFORMATION = 1e-3
OPTIONS = ["spending", "spending_gamma", "futility_spending", "futility_gamma", "power"]


def with_looks(rows: pd.DataFrame, n: Floats, earlier: pd.DataFrame) -> tuple[pd.DataFrame, Schedules]:
    """The rows with `schedule`, `look` (the latest so far, from 1), `is_look` and `information_fraction`.

    `n` counts units of both arms, NaN where they cannot be used. A look is taken on the dates planned, where
    information has grown, until the first date by which all units are mature: that one is the final look.
    A segment is looked at when its whole population is. `earlier` holds the scorecard of earlier dates.
    """
    rows = rows.assign(schedule=-1, is_look=False, look=np.nan, information_fraction=np.nan)
    is_group_sequential = (rows["inference"] == "group_sequential").to_numpy()
    if not is_group_sequential.any():
        return rows, Schedules.none()
    whole = is_group_sequential & (rows["segment_name"] == "all").to_numpy()
    line = timeline(rows, earlier, whole)
    own = rows.iloc[line.at]
    found = _looks(line, own, n[line.at] / own["planned_n"].to_numpy())
    rows.loc[line.at, "is_look"] = found.is_look
    rows.loc[line.at, "look"] = np.where(found.look > 0, found.look, np.nan)
    rows.loc[line.at, "information_fraction"] = found.latest
    schedules, numbers = _schedules(line, own, found)
    rows.loc[line.at, "schedule"] = numbers
    return _segments_like_their_population(rows, is_group_sequential & ~whole), schedules


@dataclass(frozen=True)
class _Looks:
    """The looks of a timeline: of its own rows whether each is one, number and information of the latest.

    `fractions` (groups, looks) holds every look's information, NaN behind the last.
    """

    is_look: NDArray[np.bool_]
    look: NDArray[np.int64]
    latest: Floats
    fractions: Floats


def _looks(line: Timeline, own: pd.DataFrame, fraction: Floats) -> _Looks:
    n_earlier = len(line.earlier)
    n_groups = int(line.group.max(initial=-1)) + 1
    final = np.full(n_groups, np.iinfo(np.int64).max)
    final[line.group[n_earlier:]] = own["final_date"].astype("int64").to_numpy()
    is_final = line.order >= final[line.group]
    planned = _is_look_date(own) | is_final[n_earlier:]
    known = line.earlier["information_fraction"].to_numpy(dtype="float64", na_value=np.nan)
    frame = pd.DataFrame(
        {
            "group": line.group,
            "order": line.order,
            "fraction": np.concatenate([known, np.where(planned & (fraction > 0), fraction, np.nan)]),
            "is_final": is_final,
        }
    ).sort_values(["group", "order"], kind="stable")
    frame["step"] = np.floor(frame["fraction"] / LEAST_INFORMATION)
    before = frame.groupby("group")["step"].cummax().groupby(frame["group"]).ffill().groupby(frame["group"]).shift()
    is_new = frame["step"].notna() & ~(frame["step"] <= before)
    # The first date with all units mature is the final look, though nothing may have come since the last one.
    ends = frame["is_final"] & frame["fraction"].notna()
    is_over = (ends.groupby(frame["group"]).cumsum() - ends) > 0
    is_new &= ~is_over
    is_look = (is_new | ends) & ~is_over
    frame["number"] = is_new.groupby(frame["group"]).cumsum()
    frame["latest"] = frame["fraction"].where(is_new).groupby(frame["group"]).ffill()
    fractions = np.full((n_groups, max(1, int(frame["number"].max() if len(frame) else 0))), np.nan)
    new = frame[is_new]
    fractions[new["group"], new["number"] - 1] = new["fraction"]
    mine = frame.assign(is_look=is_look).sort_index().iloc[n_earlier:]
    return _Looks(
        mine["is_look"].to_numpy(), mine["number"].to_numpy(dtype=np.int64), mine["latest"].to_numpy(), fractions
    )


def _is_look_date(own: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether a row's date is one of the experiment's looks; every date is where none are named."""
    looks = dict(zip(own["experiment_id"], own["look_dates"], strict=True))
    named = [(experiment_id, pd.Timestamp(day)) for experiment_id, dates in looks.items() for day in dates]
    free = own["experiment_id"].map({experiment_id: not dates for experiment_id, dates in looks.items()})
    listed = pd.MultiIndex.from_frame(own[["experiment_id", "as_of_date"]]).isin(named)
    return np.asarray(free.to_numpy(dtype=bool) | listed)


def _schedules(line: Timeline, own: pd.DataFrame, found: _Looks) -> tuple[Schedules, NDArray[np.int64]]:
    """The distinct schedules, and each own row's; -1 where no look has been taken."""
    number, kinds = pd.MultiIndex.from_frame(own[OPTIONS]).factorize()
    group = line.group[len(line.earlier) :]
    is_final = (own["as_of_date"] >= own["final_date"]).to_numpy() & found.is_look
    table = np.column_stack([np.nan_to_num(found.fractions[group], nan=-1.0), number, is_final])
    distinct, position = np.unique(table, axis=0, return_inverse=True)
    fractions = np.where(distinct[:, :-2] < 0, np.nan, distinct[:, :-2])
    options = tuple(SpendingOptions(*kinds[int(kind)]) for kind in distinct[:, -2])
    sizes = family_sizes(own["family"].to_numpy())
    levels = tuple(np.unique([own["alpha"], own["alpha"] / sizes]).tolist())
    return Schedules(fractions, distinct[:, -1] > 0, options, levels), np.where(found.look > 0, position.ravel(), -1)


def _segments_like_their_population(rows: pd.DataFrame, segments: NDArray[np.bool_]) -> pd.DataFrame:
    if not segments.any():
        return rows
    keys, names = [*KEYS, "as_of_date"], ["schedule", "is_look", "look", "information_fraction"]
    whole = rows[(rows["segment_name"] == "all") & (rows["inference"] == "group_sequential")]
    of_population = rows.loc[segments, keys].merge(whole[[*keys, *names]], on=keys, how="left")
    for name, absent in zip(names, (-1, False, np.nan, np.nan), strict=True):
        values = of_population[name].astype("object").where(of_population[name].notna(), absent)
        rows.loc[segments, name] = values.astype(rows[name].dtype).to_numpy()
    return rows
