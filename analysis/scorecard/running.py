"""What holds at every look: the smallest p-value and the intersection of intervals over as-of dates so far.

A look whose row is skewed counts for its own date alone: its tails are not what its tests take them for.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.columns import SCORECARD_COLUMNS
from analysis.scorecard.inference import INTERVALS, TESTS, Arrays
from analysis.scorecard.plan import FALSE_DISCOVERY_RATE
from analysis.scorecard.statuses import CARRIED, DRIFTING, SKEWED, SKEWED_MARGIN
from analysis.statistics.confidence_sequence import projected_days, running_minimum
from analysis.statistics.inference import INFERENCES
from analysis.statistics.methods import STAGEWISE
from analysis.statistics.status import Floats, Status

KEYS = ["experiment_id", "metric_id", "variant_id"]
ADJUSTED_INTERVAL = ("ci_low_adjusted", "ci_high_adjusted")
RUNNING = [
    *TESTS,
    *(end for ends in (*INTERVALS, ADJUSTED_INTERVAL) for end in ends),
    *STAGEWISE,
    "information_fraction",
    "reason",
]
# Of these a skewed test of the margin is as little trusted as a skewed test of the effect.
MARGIN_TESTS = ("p_value_non_inferiority", "p_value_equivalence")
# What a row says of the look that its tests are of.
MARKS = {"is_skewed": SKEWED, "is_margin_skewed": SKEWED_MARGIN, "is_drifting": DRIFTING}


@dataclass(frozen=True)
class Timeline:
    """The rows whose results run over dates, behind the earlier rows of the same comparisons.

    `at` are the rows' positions in the scorecard; `group` and `order` number comparisons and dates of the
    earlier rows and then of these.
    """

    at: NDArray[np.intp]
    earlier: pd.DataFrame
    group: NDArray[np.int64]
    order: NDArray[np.int64]

    def past(self, name: str) -> Floats:
        """A column of the earlier rows."""
        return self.earlier[name].to_numpy(dtype="float64", na_value=np.nan)

    def says(self, text: str) -> NDArray[np.bool_]:
        """Whether an earlier row's reason says something."""
        return self.earlier["reason"].str.contains(text, regex=False, na=False).to_numpy(dtype=bool)

    def minimum(self, past: Floats, own: Floats) -> Floats:
        """The smallest so far, `own` being of these rows; NaN before the first number."""
        return running_minimum(np.concatenate([past, own]), self.group, self.order)[len(past) :]

    def first(self, past: Floats, own: Floats) -> Floats:
        """The first number so far; NaN before it."""
        frame = pd.DataFrame({"group": self.group, "order": self.order, "value": np.concatenate([past, own])})
        frame = frame.sort_values(["group", "order"], kind="stable")
        began = frame["value"].notna().groupby(frame["group"]).cummax()
        frame["first"] = frame.groupby("group")["value"].transform("first").where(began)
        return frame.sort_index()["first"].to_numpy()[len(past) :]

    def latest(self, past: NDArray[np.bool_], own: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The position, among past and own rows, of the latest one marked, itself included; -1 without one."""
        marked = np.concatenate([past, own])
        position = np.where(marked, np.arange(marked.size), np.nan)
        frame = pd.DataFrame({"group": self.group, "order": self.order, "at": position})
        ordered = frame.sort_values(["group", "order"], kind="stable")
        found = ordered.groupby("group")["at"].ffill().sort_index().fillna(-1)
        return found.to_numpy().astype(np.intp)[len(past) :]


@dataclass(frozen=True)
class Looks:
    """The looks of a timeline: which of its rows later ones may go on from, and each own row's latest look.

    A row is a look if it has tests of its own date; between looks the latest one's row is repeated.
    """

    line: Timeline
    past_is_trusted: NDArray[np.bool_]
    is_trusted: NDArray[np.bool_]
    latest: NDArray[np.intp]

    def smallest(self, name: str, own: Floats, sign: float = 1.0) -> Floats:
        """Of a column the smallest so far at each look; with sign -1 the largest."""
        past, own = sign * self.line.past(name), sign * own
        before = self.line.minimum(*self._trusted(past, own))
        return sign * self.repeated(past, np.fmin(before, own))

    def first(self, name: str, own: Floats) -> Floats:
        """Of a column the first number so far at each look."""
        past = self.line.past(name)
        before = self.line.first(*self._trusted(past, own))
        return self.repeated(past, np.where(np.isnan(before), own, before))

    def repeated(self, past: Floats, own: Floats) -> Floats:
        """Each own row's value at its latest look; NaN before the first."""
        return np.where(self.latest >= 0, np.concatenate([past, own])[self.latest], np.nan)

    def _trusted(self, past: Floats, own: Floats) -> tuple[Floats, Floats]:
        return np.where(self.past_is_trusted, past, np.nan), np.where(self.is_trusted, own, np.nan)


def timeline(rows: pd.DataFrame, history: pd.DataFrame, of: NDArray[np.bool_] | None = None) -> Timeline:
    """The whole-population rows of methods that hold at every look, in metrics whose units stay as they were.

    `history` is the scorecard of earlier as-of dates; `of` restricts the rows.
    """
    chosen = runs(rows) if of is None else of
    at = np.flatnonzero(chosen)
    own = rows.iloc[at]
    earlier = history[(history["segment_name"] == "all").to_numpy(dtype=bool)]
    both = pd.concat([earlier[[*KEYS, "as_of_date"]], own[[*KEYS, "as_of_date"]]], ignore_index=True)
    group = both.groupby(KEYS, sort=False).ngroup().to_numpy(dtype=np.int64)
    order = pd.to_datetime(both["as_of_date"]).astype("datetime64[us]").astype("int64").to_numpy()
    return Timeline(at, earlier, group, order)


def runs(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether a row's results run over dates.

    Segments are kept for the last date only, and a metric without window grows for units already counted.
    """
    running = [name for name, method in INFERENCES.items() if method.holds_at_every_look]
    kept = rows["inference"].isin(running) & (rows["segment_name"] == "all") & ~rows["is_open_ended"]
    return kept.to_numpy(dtype=bool)


def earlier_rows(history: pd.DataFrame | None, rows: pd.DataFrame) -> pd.DataFrame:
    """The earlier rows of the comparisons, with every column that runs; none without a history."""
    columns = [*KEYS, "segment_name", "as_of_date", *RUNNING]
    if history is None or history.empty:
        return pd.DataFrame({name: pd.Series(dtype=SCORECARD_COLUMNS[name]) for name in columns})
    first = rows.groupby("experiment_id")["as_of_date"].min()
    kept = history.reindex(columns=columns).astype({name: SCORECARD_COLUMNS[name] for name in columns})
    return kept[(kept["as_of_date"] < kept["experiment_id"].map(first)).to_numpy()]


def run_on(rows: pd.DataFrame, results: Arrays, earlier: pd.DataFrame) -> Arrays:
    """The results with p-values minimised and intervals intersected over the dates so far.

    Between looks those of the last one stand. `is_carried` and `is_drifting` say where, and where intervals
    of different dates do not overlap.
    """
    line = timeline(rows, earlier)
    ran = {name: values.copy() for name, values in results.items()}
    ran |= {name: np.zeros(len(rows), dtype=np.int8) for name in ("is_carried", "is_drifting")}
    if not len(line.at):
        return ran
    looks, margin_looks = _looks(line, ran, "is_skewed"), _looks(line, ran, "is_skewed", "is_margin_skewed")
    status = results["status"][line.at]
    shown = np.isin(status, (Status.OK, Status.NO_LOOK))
    for name in TESTS:
        of = margin_looks if name in MARGIN_TESTS else looks
        ran[name][line.at] = np.where(shown, of.smallest(name, results[name][line.at]), np.nan)
    carried = (status == Status.NO_LOOK) & ~np.isnan(ran["p_value"][line.at])
    ran["status"][line.at] = np.where(carried, np.int8(Status.OK), status)
    ran["is_carried"][line.at] = carried
    for name in STAGEWISE:
        first = looks.first(name, results[name][line.at])
        ran[name][line.at] = np.where(ran["status"][line.at] == Status.OK, first, np.nan)
    for ends in INTERVALS:
        ran["is_drifting"][line.at] |= _intersect(looks, ran, ends, shown)
    for name, text in MARKS.items():
        marked = looks.repeated(line.says(text).astype(float), ran[name][line.at].astype(float)) > 0
        ran[name][line.at] |= carried & marked
    return ran


def run_on_adjusted(rows: pd.DataFrame, results: Arrays, earlier: pd.DataFrame) -> Arrays:
    """The same for adjusted intervals, where their level is the same at every date."""
    fixed_level = ~rows["family_correction"].isin(FALSE_DISCOVERY_RATE).to_numpy()
    line = timeline(rows, earlier, runs(rows) & fixed_level)
    if len(line.at):
        results = {name: values.copy() for name, values in results.items()}
        shown = results["status"][line.at] == Status.OK
        _intersect(_looks(line, results, "is_skewed"), results, ADJUSTED_INTERVAL, shown)
    return results


def _looks(line: Timeline, results: Arrays, *doubts: str) -> Looks:
    """The looks of a timeline; those with one of the `doubts`, of `MARKS`, are not trusted."""
    is_look = ~np.isnan(results["p_value"][line.at]) & (results["is_carried"][line.at] == 0)
    past_is_look = ~np.isnan(line.past("p_value")) & ~line.says(CARRIED)
    trusted, past_trusted = is_look.copy(), ~np.isnan(line.past("p_value"))
    for doubt in doubts:
        trusted &= results[doubt][line.at] == 0
        past_trusted &= ~line.says(MARKS[doubt])
    return Looks(line, past_trusted, trusted, line.latest(past_is_look, is_look))


def _intersect(looks: Looks, results: Arrays, ends: tuple[str, str], shown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Replace an interval by its intersection so far where `shown`; returns at which looks that is empty.

    An empty one says that the effect drifts: then the look's own interval stands.
    """
    at = looks.line.at
    low, high = (results[name][at] for name in ends)
    lowest, highest = looks.smallest(ends[0], low, -1.0), looks.smallest(ends[1], high)
    is_empty = shown & ~np.isnan(low) & (lowest > highest)
    for name, own, so_far in ((ends[0], low, lowest), (ends[1], high, highest)):
        stands = looks.repeated(looks.line.past(name), np.where(is_empty, own, so_far))
        results[name][at] = np.where(shown, stands, own)
    return is_empty


def projected_dates(rows: pd.DataFrame, results: Arrays, n: Floats) -> NDArray:
    """When a sequence would exclude no effect, at the present effect and traffic.

    NaT where it does already, never would, where units no longer come, and beyond ten years.
    """
    days = (rows["as_of_date"] - rows["first_mature_date"]).dt.days.to_numpy() + 1
    with np.errstate(invalid="ignore", divide="ignore"):
        ahead = projected_days(results["projected_n"], n, n / days)
    is_open = (rows["as_of_date"] < rows["final_date"]).to_numpy() & (results["p_value"] > rows["alpha"].to_numpy())
    useful = is_open & (days > 0) & (ahead > 0) & (ahead < 3653)
    whole = np.ceil(np.where(useful, ahead, 0)).astype("timedelta64[D]")
    return np.where(useful, rows["as_of_date"].to_numpy() + whole, np.datetime64("NaT"))
