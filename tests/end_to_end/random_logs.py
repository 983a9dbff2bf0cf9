"""Random logs of the small shop, drawn towards the edges of the design's rules.

Plain `Random` and not hypothesis's strategies: an example costs seconds, so it must be dense with edges rather than
small, and there is no time to shrink it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random

from configs.schema import Project
from tests.end_to_end.reference_moments import DAY, end_of_day, local_date
from tests.end_to_end.shop_logs import Event, Exposure, Logs, Row
from tests.end_to_end.small_shop import (
    AUTUMN,
    EXPOSURE_SOURCES,
    HISTORY_DAYS,
    LAST_DAY,
    LATE_ARRIVAL_DAYS,
    SPANS,
    SPRING,
    VARIANTS,
    days_between,
)

UNITS = 120
ABOUT = [timedelta(0), timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1)]
SHORTLY_AFTER = [timedelta(0), timedelta(0), timedelta(minutes=30), timedelta(hours=1)]
LAGS = [0, 0, 0, 0, 1, 1, 2, 3, -1]
"""Days from the local date of a row to its log date: 3 is too late, -1 is fine in the first hour only."""

QUANTISED = [None, 0, 1, 999, 5_000, 16_500, 150_000, -250]
HUGE = 10**14 - 1
"""The largest value a row may have; two of them overflow their unit. Rare, since it hides the others of its arm."""


@dataclass(frozen=True)
class History:
    """Logs and how they reach the pipeline.

    `runs` are spans of log dates in the order they are run. `first_delivered` holds files as they were at first;
    those of `corrected` are replaced by the right ones before the last run, which begins at that log date.
    """

    start: date
    logs: Logs
    first_delivered: Logs
    runs: list[tuple[date, date]]
    corrected: date | None


def random_history(rng: Random) -> History:
    """Two or three runs over the logs, and a day in the middle that is run again, half the time with corrected logs."""
    start = rng.choice([AUTUMN, SPRING])
    logs = _logs(rng, start)
    first, last = start - HISTORY_DAYS * DAY, start + LAST_DAY * DAY
    ends = sorted(rng.sample(days_between(start, last - DAY), rng.randint(1, 2)))
    runs = list(zip([first, *(end + DAY for end in ends)], [*ends, last], strict=True))
    if rng.random() < 0.5:
        corrected = rng.choice(days_between(first, last))
        before = {key: _as_first_delivered(rng, files) for key, files in logs.items() if key[1] == corrected}
        return History(start, logs, before, [*runs, (corrected, corrected)], corrected)
    again = rng.choice(days_between(first, ends[-1]))
    return History(start, logs, {}, [*runs[:-1], (again, again), runs[-1]], None)


def _as_first_delivered(rng: Random, files: list[list[Row]]) -> list[list[Row]]:
    return rng.choice([files, [file[::2] for file in files], []])


def _logs(rng: Random, start: date) -> Logs:
    project = Project(name="shop", timezone="Europe/Berlin", late_arrival_days=LATE_ARRIVAL_DAYS, history_start=start)
    days = days_between(start - HISTORY_DAYS * DAY, start + LAST_DAY * DAY)
    sources = [*EXPOSURE_SOURCES.values(), "orders", "visits"]
    logs: dict[tuple[str, date], list[list[Row]]] = {(source, day): [[], []] for source in sources for day in days}
    for number in range(UNITS):
        for source, row in life(rng, f"u{number}", start, project):
            log_date = local_date(row.at, project) + rng.choice(LAGS) * DAY
            if (source, log_date) in logs:
                rng.choice(logs[source, log_date]).append(row)
    for (_, log_date), files in logs.items():
        _keep_misfits_a_minority(rng, files, log_date, project)
    for key in rng.sample(sorted(logs), rng.randint(0, 2)):
        logs[key] = []
    return logs


def _keep_misfits_a_minority(rng: Random, files: list[list[Row]], log_date: date, project: Project) -> None:
    """Drop rows too late or too early for their log date: a day that is mostly such rows is not taken in at all."""

    def is_misfit(row: Row) -> bool:
        return not 0 <= (log_date - local_date(row.at, project)).days <= LATE_ARRIVAL_DAYS

    misfits = [(file, row) for file in files for row in file if is_misfit(row)]
    too_many = len(misfits) - sum(map(len, files)) // 3
    for file, row in rng.sample(misfits, max(too_many, 0)):
        file.remove(row)


def life(rng: Random, unit: str, start: date, project: Project) -> Iterator[tuple[str, Row]]:
    """What the logs say of a unit: exposures, then events about their windows' edges; some rows twice."""
    anchors: list[datetime] = []
    for experiment in rng.choice([("checkout",), ("checkout",), ("checkout", "banner"), ("banner",), ()]):
        for exposure in _exposures(rng, unit, experiment, start, project):
            anchors.append(exposure.at)
            yield EXPOSURE_SOURCES[experiment], exposure
    for number in range(rng.randint(0, 6)):
        source, name = rng.choice([("orders", "purchase"), ("visits", "visit")])
        at = _instant(rng, start - 4 * DAY, start + LAST_DAY * DAY, anchors, project)
        quantised = _quantised(rng)
        row = Event(f"{unit}-{number}", unit, name, at, quantised, rng.choice(["web", "shop", "app", None]))
        yield source, row
        for repeated in rng.choice([(), (), (row,), (replace(row, quantised=777),)]):
            yield source, repeated


def _quantised(rng: Random) -> int | None:
    if rng.random() < 0.005:
        return HUGE
    return rng.choice([*QUANTISED, rng.randint(-9_999, 99_999)])


def _exposures(rng: Random, unit: str, experiment: str, start: date, project: Project) -> list[Exposure]:
    usual, other = rng.sample(VARIANTS[experiment], 2)
    first, last = (start + offset * DAY for offset in SPANS[experiment])
    exposures: list[Exposure] = []
    for _ in range(rng.randint(1, 4)):
        is_tie = exposures and rng.random() < 0.3
        exposure = Exposure(
            unit=unit,
            experiment=experiment,
            variant=rng.choice([*[usual] * 9, other]),
            at=exposures[0].at if is_tie else _instant(rng, first, last, [], project),
            country=rng.choice(["DE", "FR", None]),
            device=rng.choice(["ios", "web", None]) if experiment == "checkout" else None,
        )
        exposures.append(exposure)
    return exposures


def _instant(rng: Random, first: date, last: date, anchors: list[datetime], project: Project) -> datetime:
    """About whole days after an anchor, about a midnight, or anywhere, from the day before `first` to `last`."""
    if anchors and rng.random() < 0.7:
        return rng.choice(anchors) + rng.randint(-3, 4) * DAY + rng.choice(ABOUT)
    midnight = end_of_day(rng.choice(days_between(first - DAY, last)), project)
    if rng.random() < 0.4:
        return midnight + rng.choice(SHORTLY_AFTER) + rng.choice(ABOUT)
    return midnight - timedelta(microseconds=rng.randrange(24 * 3600 * 10**6))
