"""What holds at every look: the smallest p-value and the intersection of intervals over as-of dates so far."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.columns import SCORECARD_COLUMNS
from analysis.scorecard.inference import INTERVALS, TESTS, Arrays
from analysis.scorecard.plan import FALSE_DISCOVERY_RATE
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
]


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

    def minimum(self, values: Floats, name: str) -> Floats:
        """The smallest so far of a column, `values` being that of these rows; NaN before the first number."""
        earlier = self.earlier[name].to_numpy(dtype="float64", na_value=np.nan)
        return running_minimum(np.concatenate([earlier, values]), self.group, self.order)[len(earlier) :]

    def maximum(self, values: Floats, name: str) -> Floats:
        """The largest so far."""
        earlier = -self.earlier[name].to_numpy(dtype="float64", na_value=np.nan)
        return -running_minimum(np.concatenate([earlier, -values]), self.group, self.order)[len(earlier) :]

    def first(self, values: Floats, name: str) -> Floats:
        """The first number so far; NaN before it."""
        earlier = self.earlier[name].to_numpy(dtype="float64", na_value=np.nan)
        frame = pd.DataFrame({"group": self.group, "order": self.order, "value": np.concatenate([earlier, values])})
        frame = frame.sort_values(["group", "order"], kind="stable")
        began = frame["value"].notna().groupby(frame["group"]).cummax()
        frame["first"] = frame.groupby("group")["value"].transform("first").where(began)
        return frame.sort_index()["first"].to_numpy()[len(earlier) :]


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
    status = results["status"][line.at]
    shown = np.isin(status, (Status.OK, Status.NO_LOOK))
    for name in TESTS:
        ran[name][line.at] = np.where(shown, line.minimum(results[name][line.at], name), np.nan)
    carried = (status == Status.NO_LOOK) & ~np.isnan(ran["p_value"][line.at])
    ran["status"][line.at] = np.where(carried, np.int8(Status.OK), status)
    ran["is_carried"][line.at] = carried
    for name in STAGEWISE:
        first = line.first(results[name][line.at], name)
        ran[name][line.at] = np.where(ran["status"][line.at] == Status.OK, first, np.nan)
    for ends in INTERVALS:
        ran["is_drifting"][line.at] |= _intersect(line, ran, ends, shown)
    return ran


def run_on_adjusted(rows: pd.DataFrame, results: Arrays, earlier: pd.DataFrame) -> Arrays:
    """The same for adjusted intervals, where their level is the same at every date."""
    fixed_level = ~rows["family_correction"].isin(FALSE_DISCOVERY_RATE).to_numpy()
    line = timeline(rows, earlier, runs(rows) & fixed_level)
    if len(line.at):
        results = {name: values.copy() for name, values in results.items()}
        _intersect(line, results, ADJUSTED_INTERVAL, results["status"][line.at] == Status.OK)
    return results


def _intersect(line: Timeline, results: Arrays, ends: tuple[str, str], shown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Replace an interval by its intersection so far where `shown`; returns where that is empty.

    An empty one says that the effect drifts: then the row's own interval stands.
    """
    low, high = (results[name][line.at] for name in ends)
    lowest, highest = line.maximum(low, ends[0]), line.minimum(high, ends[1])
    empty = shown & (lowest > highest)
    keep = shown & ~empty
    results[ends[0]][line.at], results[ends[1]][line.at] = np.where(keep, lowest, low), np.where(keep, highest, high)
    return empty


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
