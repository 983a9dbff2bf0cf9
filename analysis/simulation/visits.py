"""When units come: the visits of every simulated day, in local time with weekday and hour-of-day patterns."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from analysis.simulation.population import Population
from analysis.simulation.randomness import stream
from analysis.simulation.types import SECOND, FloatArray, IntArray
from configs.simulation_schema import Population as PopulationSettings


@dataclass(frozen=True)
class Calendar:
    """The simulated local days and the instants at which they begin."""

    start: date
    days: int
    timezone: str

    def date_of(self, day: int) -> date:
        """The date of a day number; day 0 is the first."""
        return self.start + timedelta(days=day)

    def instant(self, day: date) -> int:
        """Local midnight at which a date begins."""
        midnight = datetime.combine(day, time(), ZoneInfo(self.timezone))
        return round(midnight.timestamp()) * SECOND

    @property
    def end_instant(self) -> int:
        """The instant at which the last day ends."""
        return self.instant(self.date_of(self.days))


@dataclass(frozen=True)
class Visits:
    """All visits, by day and time: 12 bytes each. Day d is `offsets[d]` to `offsets[d + 1]`."""

    unit: IntArray
    instant: IntArray
    offsets: IntArray

    def of_day(self, day: int) -> slice:
        """Where a day's visits are."""
        return slice(int(self.offsets[day]), int(self.offsets[day + 1]))


def draw_visits(population: Population, settings: PopulationSettings, calendar: Calendar) -> Visits:
    """Poisson visits of every unit on every day."""
    weekdays = np.array(settings.weekdays) / np.mean(settings.weekdays)
    hours = np.concatenate([[0.0], np.cumsum(settings.hours)]) / np.sum(settings.hours)
    units, times, counts = [], [], [0]
    for day in range(calendar.days):
        rng = stream(population.seed, "visits", day)
        factor = np.where(population.is_bot, 1.0, weekdays[calendar.date_of(day).weekday()])
        rate = np.where(population.joined <= day, population.visit_rate * factor, 0.0)
        unit = np.repeat(np.arange(len(population), dtype=np.int32), rng.poisson(rate))
        at = _times(rng, population.is_bot[unit], hours, calendar, day)
        order = np.argsort(at, kind="stable")
        units.append(unit[order])
        times.append(at[order])
        counts.append(len(unit))
    return Visits(np.concatenate(units), np.concatenate(times), np.cumsum(counts))


def _times(rng: np.random.Generator, is_bot: np.ndarray, hours: FloatArray, calendar: Calendar, day: int) -> IntArray:
    """Instants within a day by the hours' weights; bots come round the clock."""
    uniforms = rng.random(len(is_bot))
    share_of_day = np.where(is_bot, uniforms, np.interp(uniforms, hours, np.linspace(0, 1, 25)))
    begins, ends = calendar.instant(calendar.date_of(day)), calendar.instant(calendar.date_of(day + 1))
    return begins + (share_of_day * (ends - begins)).astype(np.int64)
