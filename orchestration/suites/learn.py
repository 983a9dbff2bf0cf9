"""The suite that a source's history suggests: the built-in expectations, and ranges with robust margins.

What is expected of absolute figures complements the built-in comparisons with the same weekday, which follow a slow
decline without a word. Nothing learnt blocks a day: that is for people to decide.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from statistics import median

import pandas as pd

from analysis.expected_ranges import Range, difference_range, ratio_range, rounded_outwards
from configs.schema import EventSource, ExposureSource
from configs.suite_load import measures
from configs.suite_schema import DayExpectation, RowExpectation, Suite
from orchestration.audit.built_in import OF_EXPOSURES, OF_STEADY_VOLUME, SLICE_ROWS_COMPARED, built_in
from orchestration.ingest.fields import fields_of
from orchestration.suites.history import HistoryDay, SourceHistory

LEAST_FACTOR = 2.0  # of counts, shares of slices and extremes
LEAST_MEDIAN_FACTOR = 1.5
LEAST_NULL_MARGIN = 0.05
LEAST_LENGTH_MARGIN = 2.0
MOST_VALUES = 50  # a column with more is no set of values
MOSTLY = 0.99
SHARE_OF_DAYS = 0.8  # of the history, on which there must be enough values for a range of them
VALUES_A_DAY = 50

_Sample = tuple[date, "pd.Series[float]"]
_Figure = tuple[date, float]


def learn_suite(history: SourceHistory) -> Suite:
    """What holds by default for such a source; with enough history, what its days have in common, too."""
    source = history.source
    foreign = OF_EXPOSURES if isinstance(source, EventSource) else OF_STEADY_VOLUME
    usual_rows = median(day.manifest.rows_accepted for day in history.days) if history.is_enough else None
    if usual_rows is None:
        foreign |= {"silent_hours"}  # depends on how many rows are usual
    day = [entry for entry in built_in(usual_rows) if entry.figure not in foreign]
    rows: list[RowExpectation] = []
    if history.is_enough:
        day += [*_volume(history), *_missing(history), *_slices(history), *_medians(history)]
        rows += [*_value_sets(history), *_value_ranges(history), *_lengths(history)]
    return Suite(day=tuple(day), rows=tuple(rows))


def _volume(history: SourceHistory) -> Iterator[DayExpectation]:
    """Exposures come and go with experiments: nothing is expected of their number."""
    if isinstance(history.source, ExposureSource):
        return
    read = [(day.log_date, float(day.manifest.rows_read)) for day in history.days]
    per_unit = [
        (day.log_date, day.manifest.rows_accepted / day.manifest.profile["columns"]["unit_id"]["distinct"])
        for day in history.days
    ]
    for figure, values in (("rows_read", read), ("rows_per_unit", per_unit)):
        low, high = rounded_outwards(*ratio_range(*_split(values), LEAST_FACTOR))
        yield DayExpectation(figure=figure, min_value=low, max_value=high, observed=_observed(values))


def _missing(history: SourceHistory) -> Iterator[DayExpectation]:
    for field in fields_of(history.source):
        if field.required:
            continue
        values = [
            (day.log_date, float(day.manifest.profile["columns"][field.name]["null_share"]))
            for day in history.days
            if field.name in day.manifest.profile["columns"]
        ]
        if not _is_enough(values, history):
            continue
        _, high = rounded_outwards(*difference_range(*_split(values), LEAST_NULL_MARGIN))
        if high < 1:
            yield DayExpectation(
                figure="null_share", of=field.label, max_value=high, severity="warning", observed=_observed(values)
            )


def _slices(history: SourceHistory) -> Iterator[DayExpectation]:
    """The share of each event that is common enough to have a steady one."""
    if isinstance(history.source, ExposureSource):
        return
    names = {name for day in history.days for name in day.manifest.profile["slices"]}
    for name in sorted(names):
        counts = [_slice_rows(day, name) for day in history.days]
        if median(counts) < SLICE_ROWS_COMPARED:
            continue
        values = [
            (day.log_date, count / day.manifest.rows_accepted)
            for day, count in zip(history.days, counts, strict=True)
            if count
        ]
        if not _is_enough(values, history):
            continue
        low, high = rounded_outwards(*ratio_range(*_split(values), LEAST_FACTOR))
        yield DayExpectation(
            figure="slice_share",
            of=name,
            min_value=low,
            max_value=high if high < 1 else None,
            observed=_observed(values),
        )


def _slice_rows(day: HistoryDay, name: str) -> int:
    return int(day.manifest.profile["slices"].get(name, {"rows": 0})["rows"])


def _medians(history: SourceHistory) -> Iterator[DayExpectation]:
    for measure, event, days in _measured(history):
        values = [(log_date, float(sample.median())) for log_date, sample in days]
        low, high = rounded_outwards(*_range(values, LEAST_MEDIAN_FACTOR), digits=3)
        yield DayExpectation(
            figure="median", of=measure, event=event, min_value=low, max_value=high, observed=_observed(values)
        )


def _value_sets(history: SourceHistory) -> Iterator[RowExpectation]:
    """The values of text columns that have few, as far as they were seen on two days or more."""
    fields = [field.label for field in fields_of(history.source) if field.kind == "attribute"]
    for column in [*(["event_name"] if isinstance(history.source, EventSource) else []), *fields]:
        days = [day.rows[column].dropna() for day in history.days if column in day.rows]
        days = [values for values in days if len(values)]
        seen = Counter(value for values in days for value in values.unique())
        known = sorted(value for value, n_days in seen.items() if n_days >= 2)
        if known and len(known) <= MOST_VALUES and median(values.isin(known).mean() for values in days) > MOSTLY:
            yield RowExpectation(
                expect="column_values_to_be_in_set", column=column, value_set=tuple(known), mostly=MOSTLY
            )


def _value_ranges(history: SourceHistory) -> Iterator[RowExpectation]:
    """Between the hundredth and the ninety-ninth of a hundred values, with margins: a wrong unit is outside."""
    for measure, event, days in _measured(history):
        lows = [(log_date, float(sample.quantile(0.01))) for log_date, sample in days]
        highs = [(log_date, float(sample.quantile(0.99))) for log_date, sample in days]
        low, high = _range(lows, LEAST_FACTOR)[0], _range(highs, LEAST_FACTOR)[1]
        low, high = rounded_outwards(low, high)
        yield RowExpectation(
            expect="column_values_to_be_between",
            column=measure,
            event=event,
            min_value=low,
            max_value=high,
            mostly=MOSTLY,
            observed=f"{_number(min(value for _, value in lows))} to {_number(max(value for _, value in highs))}",
        )


def _lengths(history: SourceHistory) -> Iterator[RowExpectation]:
    """Of unit ids: e-mail addresses, or another system's ids, would join with nothing."""
    lengths = [(day.log_date, day.rows["unit_id"].str.len()) for day in history.days]
    lows = [(log_date, float(some.quantile(0.01))) for log_date, some in lengths]
    highs = [(log_date, float(some.quantile(0.99))) for log_date, some in lengths]
    low = difference_range(*_split(lows), LEAST_LENGTH_MARGIN)[0]
    high = difference_range(*_split(highs), LEAST_LENGTH_MARGIN)[1]
    yield RowExpectation(
        expect="column_value_lengths_to_be_between",
        column="unit_id",
        min_value=max(1, math.floor(low)),
        max_value=math.ceil(high),
        mostly=MOSTLY,
        observed=f"{_number(min(value for _, value in lows))} to {_number(max(value for _, value in highs))}",
    )


def _measured(history: SourceHistory) -> Iterator[tuple[str, str, list[_Sample]]]:
    """Each measure of each event that has enough values of it on most days."""
    for measure in measures(history.source):
        days = [(day.log_date, day.rows) for day in history.days if measure in day.rows]
        events = sorted({name for _, rows in days for name in rows.loc[rows[measure].notna(), "event_name"].unique()})
        for event in events:
            samples = [(log_date, rows.loc[rows["event_name"] == event, measure].dropna()) for log_date, rows in days]
            enough = [(log_date, sample) for log_date, sample in samples if len(sample) >= VALUES_A_DAY]
            if _is_enough(enough, history):
                yield measure, str(event), enough


def _is_enough(values: Sequence[object], history: SourceHistory) -> bool:
    return len(values) >= SHARE_OF_DAYS * len(history.days)


def _range(values: Sequence[_Figure], least_factor: float) -> Range:
    """With a margin that is a factor where all values are positive; else a difference, by the greatest of them."""
    days, figures = _split(values)
    if min(figures) > 0:
        return ratio_range(days, figures, least_factor)
    return difference_range(days, figures, (least_factor - 1) * abs(median(figures)))


def _split(values: Sequence[_Figure]) -> tuple[list[date], list[float]]:
    return [day for day, _ in values], [value for _, value in values]


def _observed(values: Sequence[_Figure]) -> str:
    _, figures = _split(values)
    return f"{_number(min(figures))} to {_number(max(figures))}"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
