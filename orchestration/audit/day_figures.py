"""The figures of a day that expectations are about, as a frame: a row for the day, for each column and each slice."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from configs.suite_schema import COLUMN_FIGURES, MEASURE_FIGURES, DayExpectation
from orchestration.audit.built_in import ROWS_JUDGED, SLICE_ROWS_COMPARED
from orchestration.audit.evidence import DayContract, DayEvidence

SUBJECT = "subject"
LARGEST_SLICES = 1_000
"""As many slices of a day are counted, besides those of recent days: names may be without end."""
REQUIRED_NULL_SHARE = "required_null_share"
_FIGURES = [
    "rows",
    "rows_read",
    "rows_per_unit",
    "volume_ratio",
    "hours",
    "silent_hours",
    "duplicate_share",
    "quarantine_share",
    "unknown_share",
    "late_share",
    REQUIRED_NULL_SHARE,
    "null_share",
    "null_share_rise",
    "slice_ratio",
]

_Rows = dict[tuple[str, str], dict[str, float]]
"""Figures by kind and name of what they are of."""


def day_figures(day: DayEvidence) -> pd.DataFrame:
    """A column for each figure, and one for each expectation of a single column or slice; what does not apply is NaN.

    A figure of a column or slice that has an expectation of its own is left out of the figure's other column.
    """
    profile, contract = day.profile, day.contract
    rows: _Rows = {("day", "day"): _whole_day(profile, contract)}
    rows |= {("column", name): _of_column(name, profile, contract) for name in profile["columns"]}
    rows |= {
        ("slice", name): {"slice_ratio": _ratio(part["rows"], part["usual_rows"])}
        for name, part in profile["slices"].items()
        if (part["usual_rows"] or 0) >= SLICE_ROWS_COMPARED and contract.is_comparable(name, part["rows"])
    }
    single = [entry for entry in day.suite.suite.day if entry.of is not None]
    for entry in single:
        _move(rows, entry, day)
    labels = dict.fromkeys(entry.label for entry in single)
    return pd.DataFrame(
        [{SUBJECT: subject} | figures for (_, subject), figures in rows.items()], columns=[SUBJECT, *_FIGURES, *labels]
    )


def _whole_day(profile: Mapping[str, Any], contract: DayContract) -> dict[str, float]:
    n_units = profile["columns"].get("unit_id", {}).get("distinct")
    return {
        # A day without rows, or with none of a known experiment, is not one that lost its rows.
        "rows": profile["rows"] if profile["rows_read"] and profile["unknown_share"] < 1 else math.nan,
        "rows_read": profile["rows_read"],
        "rows_per_unit": _ratio(profile["rows"], n_units),
        "volume_ratio": _ratio(profile["rows"], profile["usual_rows"]) if contract.has_steady_volume else math.nan,
        "hours": profile["hours"],
        "silent_hours": _silent_hours(profile) if contract.has_steady_volume else math.nan,
        "duplicate_share": profile["duplicate_share"],
        "quarantine_share": profile["quarantine_share"],
        "unknown_share": profile["unknown_share"],
        "late_share": profile["late_share"],
    }


def _of_column(name: str, profile: Mapping[str, Any], contract: DayContract) -> dict[str, float]:
    column = profile["columns"][name]
    return {
        REQUIRED_NULL_SHARE: column["null_share"] if name in contract.required else math.nan,
        "null_share": column["null_share"] if profile["rows"] else math.nan,
        "null_share_rise": _rise(column["null_share"], column["usual_null_share"]),
    }


def _move(rows: _Rows, entry: DayExpectation, day: DayEvidence) -> None:
    """Give the expectation's figure a column of its own, in the day's row; of a slice, in the slice's."""
    of, at = str(entry.of), ("day", "day")
    if entry.figure in MEASURE_FIGURES:
        value = _of_measure(entry, day)
    elif entry.figure in COLUMN_FIGURES:
        lake_name = day.suite.columns[of].lake_name
        value = rows[("column", lake_name)].pop(entry.figure, math.nan)
    else:
        at = ("slice", of)
        general = rows.setdefault(at, {}).pop(entry.figure, math.nan)
        value = general if entry.figure == "slice_ratio" else _slice_share(of, day.profile)
    rows[at][entry.label] = value


def _slice_share(name: str, profile: Mapping[str, Any]) -> float:
    """The slice's share of the day's rows; unknown of one that is not among the largest, where not all are counted."""
    slices = profile["slices"]
    if name not in slices:
        return math.nan if len(slices) >= LARGEST_SLICES else _ratio(0, profile["rows"])
    return _ratio(slices[name]["rows"], profile["rows"])


def _of_measure(entry: DayExpectation, day: DayEvidence) -> float:
    """Exact extremes over all rows; the median of the sampled ones, where there are enough."""
    column = day.suite.columns[str(entry.of)]
    if entry.figure != "median":
        value = day.profile["columns"].get(column.lake_name, {}).get(entry.figure)
        return math.nan if value is None else int(value) / 10 ** (column.decimals or 0)
    rows = day.named_rows()
    if entry.event is not None:
        rows = rows[rows["event_name"] == entry.event]
    values = rows[entry.of].dropna()
    return float(values.median()) if len(values) >= ROWS_JUDGED else math.nan


def _silent_hours(profile: Mapping[str, Any]) -> float:
    """Hours of the day in which something usually happens and nothing did."""
    usual = profile["usual_hours"]
    return math.nan if usual is None else max(0.0, usual - profile["hours"])


def _ratio(rows: int, usual_rows: float | None) -> float:
    return rows / usual_rows if usual_rows else math.nan


def _rise(share: float, usual_share: float | None) -> float:
    return math.nan if usual_share is None else share - usual_share
