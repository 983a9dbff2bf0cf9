"""A log date's place in time: local midnights as UTC instants, computed once so that SQL only compares."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

FUTURE_TOLERANCE = timedelta(hours=1)


def local_midnight(day: date, timezone: str) -> datetime:
    """The instant, in UTC without zone, at which `day` begins in `timezone`.

    Where clocks skip midnight the day begins when they do; where midnight comes twice, at the first.
    """
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone))
    return local.astimezone(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class DayBounds:
    """When a row of a log date counts: not before `late_before`, not after `future_after` (UTC).

    `days` are local dates with the instant at which each ends; a later instant is on `last_date`.
    """

    log_date: date
    late_before: datetime
    future_after: datetime
    days: tuple[tuple[date, datetime], ...]
    last_date: date


def day_bounds(log_date: date, timezone: str, late_arrival_days: int) -> DayBounds:
    """The bounds of `log_date` in a project of this timezone and allowance for late rows."""
    local_dates = [log_date + timedelta(days=offset) for offset in range(-late_arrival_days, 2)]
    begins = {day: local_midnight(day, timezone) for day in [*local_dates, log_date + timedelta(days=2)]}
    return DayBounds(
        log_date=log_date,
        late_before=begins[local_dates[0]],
        future_after=begins[log_date + timedelta(days=1)] + FUTURE_TOLERANCE,
        days=tuple((day, begins[day + timedelta(days=1)]) for day in local_dates),
        last_date=log_date + timedelta(days=2),
    )
