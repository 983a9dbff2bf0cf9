"""Which experiments run side by side, and how much of the traffic they leave.

A configuration has no share of traffic: an experiment is open to every unit of its exposure source, so one is all
of it. Independent randomisation lets experiments overlap all the same; traffic is short only for those that must
be kept apart.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import pandas as pd

from configs.schema import Experiment

# What is over gives its units back, whatever end was planned.
OVER = frozenset({"stopped", "shipped", "rolled_back", "archived"})
TRAFFIC = 1.0

CALENDAR_COLUMNS = {
    "experiment_id": "str",
    "status": "str",
    "start_date": "datetime64[us]",
    "end_date": "datetime64[us]",
    "exposure_source": "str",
    "traffic": "float64",
    "overlaps": "str",
    "shared_metrics": "str",
}
TRAFFIC_COLUMNS = {
    "exposure_source": "str",
    "from_date": "datetime64[us]",
    "to_date": "datetime64[us]",
    "n_experiments": "int64",
    "experiments": "str",
    "traffic_taken": "float64",
    "traffic_left": "float64",
}


def experiment_calendar(
    experiments: Iterable[Experiment], first: date | None = None, last: date | None = None
) -> pd.DataFrame:
    """A row per experiment whose dates lie between two days (both included) in part, by start, whatever its status.

    `overlaps` names the others on the same exposure source that share a day with it; `shared_metrics` what both
    measure, where an interaction would be seen.
    """
    chosen = _between(experiments, first, last)
    rows = []
    for one in chosen:
        beside = [other for other in chosen if other is not one and _overlap(one, other)]
        shared = {id_ for other in beside for id_ in one.metrics.roles.keys() & other.metrics.roles.keys()}
        rows.append(
            (
                one.id,
                one.status,
                one.start,
                one.end,
                one.exposure_source or "",
                TRAFFIC,
                ", ".join(other.id for other in beside),
                ", ".join(sorted(shared)),
            )
        )
    return pd.DataFrame(rows, columns=list(CALENDAR_COLUMNS)).astype(CALENDAR_COLUMNS)


def traffic_left(
    experiments: Iterable[Experiment], first: date | None = None, last: date | None = None
) -> pd.DataFrame:
    """For every exposure source the spans of days with the same experiments, and the share of units none of them has.

    Experiments that are over take none. `traffic_taken` is the sum of the shares, above 1 where experiments
    overlap; `traffic_left` is what an experiment that must be kept apart from all of them could have, at least 0.
    Days between `first` and `last` without any experiment are spans of their own.
    """
    chosen = [one for one in _between(experiments, first, last) if one.status not in OVER]
    rows = []
    for source in sorted({one.exposure_source or "" for one in chosen}):
        own = [one for one in chosen if (one.exposure_source or "") == source]
        begin = first or min(one.start for one in own)
        end = last or max(one.end for one in own)
        for start, stop in _spans(own, begin, end):
            running = [one.id for one in own if one.start <= start and one.end >= stop]
            taken = TRAFFIC * len(running)
            rows.append((source, start, stop, len(running), ", ".join(running), taken, max(0.0, 1 - taken)))
    return pd.DataFrame(rows, columns=list(TRAFFIC_COLUMNS)).astype(TRAFFIC_COLUMNS)


def _between(experiments: Iterable[Experiment], first: date | None, last: date | None) -> list[Experiment]:
    chosen = [one for one in experiments if (last is None or one.start <= last) and (first is None or one.end >= first)]
    return sorted(chosen, key=lambda one: (one.start, one.id))


def _overlap(one: Experiment, other: Experiment) -> bool:
    return one.exposure_source == other.exposure_source and one.start <= other.end and other.start <= one.end


def _spans(experiments: Sequence[Experiment], first: date, last: date) -> list[tuple[date, date]]:
    """The longest spans from `first` to `last` in which no experiment starts or ends."""
    day = timedelta(days=1)
    starts = {first, *(one.start for one in experiments), *(one.end + day for one in experiments)}
    inside = sorted(start for start in starts if first <= start <= last)
    return [(start, after - day) for start, after in zip(inside, [*inside[1:], last + day], strict=True)]
