"""Which log dates each result stands on, and which of them are missing.

A source × log date is usable when its row in `source_days` says `ok` or `empty`. A log date without a row
was never ingested. A log may hold rows up to `late_arrival_days` old, so a span of occurrences is
covered by log dates up to that many days past its end, and never past the as-of date.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd

from analysis.periods import analysed_days, as_days
from configs.schema import Experiment, Metric, Project

USABLE = frozenset({"ok", "empty"})
INCOMPLETE = "incomplete"
BLOCKED_COLUMNS = ["as_of_date", "experiment_id", "metric_id", "status", "reason"]
DAY = timedelta(days=1)


class Gap(NamedTuple):
    """A log date of a source that did not reach the lake."""

    log_date: date
    source_id: str
    status: str
    reason: str = ""

    def __str__(self) -> str:
        detail = f": {self.reason}" if self.reason else ""
        return f"{self.source_id} {self.log_date:%Y-%m-%d} ({self.status}{detail})"


class SourceDays:
    """What is known of every source's log dates."""

    def __init__(self, frame: pd.DataFrame) -> None:
        """Take the `source_days` table: log_date, source_id, status, reason."""
        self._known: dict[str, dict[date, tuple[str, str]]] = {}
        days = as_days(frame["log_date"]).dt.date
        rows = zip(frame["source_id"], days, frame["status"], frame["reason"], strict=True)
        for source_id, day, status, reason in rows:
            self._known.setdefault(source_id, {})[day] = (status, reason if isinstance(reason, str) else "")
        self._gaps: dict[tuple[str, date, date], tuple[list[date], list[Gap]]] = {}
        self._usable = {
            source_id: sorted(day for day, (status, _) in days.items() if status in USABLE)
            for source_id, days in self._known.items()
        }

    def latest_usable(self, source_id: str, last: date) -> date | None:
        """The newest usable log date up to `last`, None where there is none."""
        days = self._usable.get(source_id, [])
        position = bisect_right(days, last)
        return days[position - 1] if position else None

    def gaps(self, source_id: str, first: date, last: date) -> list[Gap]:
        """The unusable log dates from `first` to `last`, both included, in order; none of an empty span."""
        days, gaps = self._all_gaps(source_id, first, last)
        return gaps[bisect_left(days, first) : bisect_right(days, last)]

    def _all_gaps(self, source_id: str, first: date, last: date) -> tuple[list[date], list[Gap]]:
        # Spans of one source differ by a few days over thousands of questions: answer from whole months.
        key = (source_id, first.replace(day=1), (last.replace(day=1) + 31 * DAY).replace(day=1))
        if key not in self._gaps:
            known = self._known.get(source_id, {})
            span = (key[1] + n * DAY for n in range((key[2] - key[1]).days))
            gaps = [self._gap(source_id, day, known.get(day)) for day in span]
            found = [gap for gap in gaps if gap is not None]
            self._gaps[key] = ([gap.log_date for gap in found], found)
        return self._gaps[key]

    @staticmethod
    def _gap(source_id: str, day: date, known: tuple[str, str] | None) -> Gap | None:
        if known is None:
            return Gap(day, source_id, "never ingested")
        status, reason = known
        return None if status in USABLE else Gap(day, source_id, status, reason)


@dataclass(frozen=True)
class LogSpans:
    """The log dates an experiment's results stand on: (first, last), both included."""

    experiment: Experiment
    project: Project

    def exposures(self, as_of: date) -> tuple[date, date]:
        """Log dates that may hold the experiment's exposures, known at `as_of`."""
        return self.experiment.start, min(as_of, self.experiment.end + self._late)

    def events(self, metric: Metric, as_of: date) -> tuple[date, date]:
        """Log dates that may hold the metric's events: its window over every exposure, and late rows.

        Windows are whole 24 hours to the microsecond, so with a change of clocks the last may end on the
        next local date. A metric without a window stops at the end date's midnight.
        """
        start, end = self.experiment.start, self.experiment.end
        if metric.window is not None:
            start = self._shift(start, metric.window.start_days)
            end = self._shift(end + DAY, metric.window.end_days, just_before=True)
        return start, min(as_of, end + self._late)

    def covariate(self, lookback_days: int, as_of: date) -> tuple[date, date]:
        """Log dates that may hold covariate events: whole days before exposure, known by its log date."""
        return self.experiment.start - lookback_days * DAY, min(as_of, self.experiment.end + self._late)

    @property
    def _late(self) -> timedelta:
        return timedelta(days=self.project.late_arrival_days)

    def _shift(self, midnight: date, days: int, *, just_before: bool = False) -> date:
        zone = ZoneInfo(self.project.timezone)
        instant = datetime.combine(midnight, time(), zone).astimezone(UTC) + days * DAY
        if just_before:
            instant -= timedelta(microseconds=1)
        return instant.astimezone(zone).date()


def metric_sources(metric: Metric) -> tuple[str, ...]:
    """The event sources a metric reads, each once."""
    return tuple(sorted({component.source for component in metric.components}))


def result_gaps(source_days: SourceDays, spans: LogSpans, metric: Metric, as_of: date) -> list[Gap]:
    """The missing log dates of the exposures, the trigger and the metric's events that `as_of` stands on, in order."""
    source_id = spans.experiment.exposure_source
    if source_id is None:
        raise ValueError(f"experiment {spans.experiment.id} names no exposure source: take it from a Config")
    gaps = set(source_days.gaps(source_id, *spans.exposures(as_of)))
    if spans.experiment.trigger is not None:
        gaps.update(source_days.gaps(spans.experiment.trigger.source, *spans.exposures(as_of)))
    for event_source in metric_sources(metric):
        gaps.update(source_days.gaps(event_source, *spans.events(metric, as_of)))
    return sorted(gaps)


def blocked_metrics(
    source_days: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    as_of_dates: Iterable[date],
    project: Project,
) -> pd.DataFrame:
    """Metrics that cannot be computed, or not adjusted, because log dates are missing.

    Returns `as_of_date, experiment_id, metric_id, status, reason`, a row only where something is blocked:
    `incomplete` when a log date of the exposures or of the metric's events is missing up to the as-of date;
    `no_covariate` when only its covariate's lookback is, or reaches before the lake's first log date.
    """
    return _blocked(_block, source_days, experiments, metrics, as_of_dates, project)


def unadjusted_metrics(
    source_days: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    as_of_dates: Iterable[date],
    project: Project,
) -> pd.DataFrame:
    """The same of covariates alone: `no_covariate` for metrics whose lookback has missing log dates."""
    return _blocked(_covariate_block, source_days, experiments, metrics, as_of_dates, project)


def _blocked(
    block: Callable[[SourceDays, LogSpans, Metric, date], tuple[str, str] | None],
    source_days: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    as_of_dates: Iterable[date],
    project: Project,
) -> pd.DataFrame:
    known, dates = SourceDays(source_days), tuple(as_of_dates)
    rows = []
    for experiment in experiments.values():
        spans = LogSpans(experiment, project)
        for as_of in analysed_days(experiment, metrics, dates):
            for metric_id in experiment.metrics.roles:
                found = block(known, spans, metrics[metric_id], as_of)
                if found is not None:
                    rows.append((as_of, experiment.id, metric_id, *found))
    frame = pd.DataFrame(rows, columns=BLOCKED_COLUMNS).astype(dict.fromkeys(BLOCKED_COLUMNS[1:], "str"))
    return frame.assign(as_of_date=as_days(frame["as_of_date"]))


def _block(known: SourceDays, spans: LogSpans, metric: Metric, as_of: date) -> tuple[str, str] | None:
    gaps = result_gaps(known, spans, metric, as_of)
    if gaps:
        return INCOMPLETE, f"{_missing_logs(gaps)}: {list_gaps(gaps)}"
    return _covariate_block(known, spans, metric, as_of)


def _covariate_block(known: SourceDays, spans: LogSpans, metric: Metric, as_of: date) -> tuple[str, str] | None:
    if metric.covariate is None or not spans.experiment.analysis.covariate_adjustment:
        return None
    first, last = spans.covariate(metric.covariate.lookback_days, as_of)
    history_start = spans.project.history_start
    if first < history_start:
        return "no_covariate", (
            f"unadjusted: its covariate looks back to {first:%Y-%m-%d}, but the lake begins on {history_start:%Y-%m-%d}"
        )
    sources = sorted({component.source for component in metric.read_components})
    gaps = [gap for source in sources for gap in known.gaps(source, first, last)]
    return ("no_covariate", f"unadjusted: its covariate's data is incomplete: {list_gaps(gaps)}") if gaps else None


def list_gaps(gaps: Sequence[Gap], shown: int = 3) -> str:
    """The first gaps with their reasons, how many more, and what to do."""
    ordered = sorted(set(gaps))
    more = f" and {len(ordered) - shown} more" if len(ordered) > shown else ""
    listed = ", ".join(str(gap) for gap in ordered[:shown])
    return f"{listed}{more}; {_next_step(ordered)}"


def headline(reason: str) -> str:
    """An `incomplete` reason without its details, which may quote paths and errors of file readers."""
    return reason.partition(": ")[0]


def _missing_logs(gaps: Sequence[Gap]) -> str:
    """The logs that are missing, in plain words; without ": ", at which `headline` cuts."""
    days: dict[str, list[date]] = {}
    for gap in sorted(set(gaps)):
        days.setdefault(gap.source_id, []).append(gap.log_date)
    logs = [f"{source_id} ({_days(dates)})" for source_id, dates in sorted(days.items())]
    return f"logs of {' and '.join(logs)} are missing"


def _days(dates: Sequence[date]) -> str:
    more = f" and {len(dates) - 1} more days" if len(dates) > 2 else " and 1 more day" if len(dates) == 2 else ""
    return f"{dates[0]:%Y-%m-%d}{more}"


def _next_step(ordered: Sequence[Gap]) -> str:
    run = f"`equipoise run --from {ordered[0].log_date:%Y-%m-%d} --to {ordered[-1].log_date:%Y-%m-%d}`"
    n_failed = sum(gap.status == "failed" for gap in ordered)
    if n_failed == len(ordered):
        return f"mend the failed files, then {run}"
    return (
        f"mend the failed files, add the missing ones, then {run}" if n_failed else f"once the files are there, {run}"
    )
