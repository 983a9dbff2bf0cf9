"""Random logs of the small shop, drawn towards the edges of the design's rules."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

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

JITTER = st.sampled_from([timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1)])
SHORT = st.sampled_from([timedelta(0), timedelta(hours=1), timedelta(minutes=30)])
WITHIN_DAY = st.integers(0, 22 * 3600 * 10**6).map(lambda microseconds: timedelta(microseconds=microseconds))
LAG = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3, -1])
"""Days from the local date of a row to its log date: 3 is too late, -1 is fine in the first hour only."""

QUANTISED = st.sampled_from([None, 0, 1, 999, 5_000, 16_500, 150_000, -250, 10**14 - 1]) | st.integers(-9_999, 99_999)


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


@st.composite
def histories(draw: DrawFn) -> History:
    """A small history: up to 30 units, most of them around some edge."""
    start = draw(st.sampled_from([AUTUMN, SPRING]))
    logs = draw(_logs(start))
    first, last = start - HISTORY_DAYS * DAY, start + LAST_DAY * DAY
    ends = sorted(draw(st.sets(st.sampled_from(days_between(start, last - DAY)), min_size=1, max_size=2)))
    runs = list(zip([first, *(end + DAY for end in ends)], [*ends, last], strict=True))
    again = draw(st.sampled_from(days_between(first, last)))
    if draw(st.booleans()):
        before = {key: draw(_as_first_delivered(files)) for key, files in logs.items() if key[1] == again}
        return History(start, logs, before, [*runs, (again, again)], again)
    if again <= ends[-1]:
        runs.insert(-1, (again, again))
    return History(start, logs, {}, runs, None)


def _as_first_delivered(files: list[list[Row]]) -> st.SearchStrategy[list[list[Row]]]:
    halved = [file[::2] for file in files]
    return st.sampled_from([files, halved, []])


@st.composite
def _logs(draw: DrawFn, start: date) -> Logs:
    project = Project(name="shop", timezone="Europe/Berlin", late_arrival_days=LATE_ARRIVAL_DAYS, history_start=start)
    days = days_between(start - HISTORY_DAYS * DAY, start + LAST_DAY * DAY)
    sources = [*EXPOSURE_SOURCES.values(), "orders", "visits"]
    logs: dict[tuple[str, date], list[list[Row]]] = {(source, day): [[], []] for source in sources for day in days}
    for number in range(draw(st.integers(8, 30))):
        for source, row in draw(_life(f"u{number}", start, project)):
            log_date = local_date(row.at, project) + draw(LAG) * DAY
            if (source, log_date) in logs:
                logs[source, log_date][draw(st.integers(0, 1))].append(row)
    for key in draw(st.sets(st.sampled_from(sorted(logs)), max_size=2)):
        logs[key] = []
    return logs


@st.composite
def _life(draw: DrawFn, unit: str, start: date, project: Project) -> list[tuple[str, Row]]:
    """What the logs say of a unit: exposures, then events about their windows' edges; some rows twice."""
    rows: list[tuple[str, Row]] = []
    for experiment in draw(st.sampled_from([("checkout",), ("checkout", "banner"), ("banner",), ()])):
        rows += draw(_exposures(unit, experiment, start, project))
    anchors = [row.at for _, row in rows]
    for number in range(draw(st.integers(0, 5))):
        rows += draw(_event(f"{unit}-{number}", unit, start, anchors, project))
    return rows


@st.composite
def _exposures(draw: DrawFn, unit: str, experiment: str, start: date, project: Project) -> list[tuple[str, Row]]:
    usual, other = draw(st.permutations(VARIANTS[experiment]))[:2]
    first, last = (start + offset * DAY for offset in SPANS[experiment])
    rows: list[tuple[str, Row]] = []
    for _ in range(draw(st.integers(1, 3))):
        again = rows and draw(st.integers(0, 3)) == 0
        row = Exposure(
            unit=unit,
            experiment=experiment,
            variant=draw(st.sampled_from([usual, usual, usual, other])),
            at=rows[0][1].at if again else draw(_instants(first, last, [], project)),
            country=draw(st.sampled_from(["DE", "FR", None])),
            device=draw(st.sampled_from(["ios", "web", None])) if experiment == "checkout" else None,
        )
        rows.append((EXPOSURE_SOURCES[experiment], row))
    return rows


@st.composite
def _event(
    draw: DrawFn, id_: str, unit: str, start: date, anchors: list[datetime], project: Project
) -> list[tuple[str, Row]]:
    source, name = draw(st.sampled_from([("orders", "purchase"), ("visits", "visit")]))
    at = draw(_instants(start - 4 * DAY, start + LAST_DAY * DAY, anchors, project))
    row = Event(id_, unit, name, at, draw(QUANTISED), draw(st.sampled_from(["web", "shop", "app", None])))
    repeated = draw(st.sampled_from([(), (), (row,), (replace(row, quantised=777),)]))
    return [(source, copy) for copy in (row, *repeated)]


@st.composite
def _instants(draw: DrawFn, first: date, last: date, anchors: list[datetime], project: Project) -> datetime:
    """An instant about whole days after an anchor, about a midnight, or anywhere from a day before `first` on."""
    if anchors and draw(st.integers(0, 3)) > 0:
        return draw(st.sampled_from(anchors)) + draw(st.integers(-3, 4)) * DAY + draw(JITTER)
    midnight = end_of_day(draw(st.sampled_from(days_between(first - DAY, last))), project)
    if draw(st.booleans()):
        return midnight + draw(SHORT) + draw(JITTER)
    return midnight - DAY + timedelta(hours=1) + draw(WITHIN_DAY)
