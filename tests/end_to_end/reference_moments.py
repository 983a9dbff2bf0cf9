"""The design's rules for the tables' grain in plain Python: every as-of date from scratch, exact, slow and readable.

It shares no code with the pipeline but the configuration's models.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import product
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from configs.schema import Component, Condition, Config, Experiment, Metric, Project
from tests.end_to_end.shop_logs import Event, Exposure, Logs, Row

DAY = timedelta(days=1)
OVERFLOW = 10**14
Key = tuple[Any, ...]
STRATUM_COLUMNS = (
    "n_units",
    "mean",
    "variance",
    "denominator_mean",
    "denominator_variance",
    "denominator_covariance",
)


@dataclass(frozen=True)
class Known:
    """An accepted row, its local date, and the first as-of date at which it counts."""

    row: Any
    date: date
    known_from: date


@dataclass(frozen=True)
class Unit:
    """A unit's first exposure as known at an as-of date; `known_from` is when that instant became known."""

    id: str
    first: Exposure
    date: date
    known_from: date
    is_mixed: bool


@dataclass(frozen=True)
class Value:
    """What one metric sees of one unit, in quantised units; `raw` and `raw_denominator` are before the cap."""

    unit: Unit
    raw: int
    raw_denominator: int
    numerator: int
    denominator: int
    covariate: int
    has_no_history: int
    further: tuple[tuple[str, int, int], ...] = ()
    """Further covariates: name, quantised value, and how many steps are 1."""


def local_date(at: datetime, project: Project) -> date:
    return at.replace(tzinfo=UTC).astimezone(ZoneInfo(project.timezone)).date()


def end_of_day(day: date, project: Project) -> datetime:
    midnight = datetime.combine(day + DAY, time(), ZoneInfo(project.timezone))
    return midnight.astimezone(UTC).replace(tzinfo=None)


def accepted(logs: Logs, source_id: str, project: Project) -> list[Known]:
    """Rows neither too late nor from the future, the first of each event id within the days a late row may take."""
    kept: list[Known] = []
    ids: dict[date, set[str]] = {}
    for source, log_date in sorted(logs):
        if source != source_id:
            continue
        reach = [log_date - n * DAY for n in range(1, project.late_arrival_days + 1)]
        seen = {id_ for day in reach for id_ in ids.get(day, ())}
        ids[log_date] = set()
        for row in (row for file in logs[source, log_date] for row in file):
            occurred = local_date(row.at, project)
            is_late = (log_date - occurred).days > project.late_arrival_days
            is_future = row.at > end_of_day(log_date, project) + timedelta(hours=1)
            # A repeated exposure needs no rule: the earliest one stays what it was.
            is_duplicate = isinstance(row, Event) and row.id in seen | ids[log_date]
            if is_late or is_future or is_duplicate:
                continue
            if isinstance(row, Event):
                ids[log_date].add(row.id)
            kept.append(Known(row, occurred, max(log_date, occurred)))
    return kept


class Reference:
    """The expected marts of a configuration and its logs."""

    def __init__(self, config: Config, logs: Logs) -> None:
        self.config, self.project = config, config.project
        sources = (*config.sources.exposures, *config.sources.events)
        self.rows = {source.id: accepted(logs, source.id, self.project) for source in sources}
        self.rows_of_unit: dict[tuple[str, str], list[Known]] = {}
        for source_id, rows in self.rows.items():
            for known in rows:
                self.rows_of_unit.setdefault((source_id, known.row.unit), []).append(known)

    def last_day(self, experiment: Experiment) -> date:
        windows = [self.config.metrics[id_].window for id_ in experiment.metrics.roles]
        return experiment.end + max((window.end_days for window in windows if window), default=0) * DAY

    def as_of_dates(self, experiment: Experiment, through: date) -> list[date]:
        last = min(through, self.last_day(experiment))
        return [experiment.start + n * DAY for n in range((last - experiment.start).days + 1)]

    def groups(self, experiment: Experiment, as_of: date, latest: date) -> list[tuple[str, Callable[[Unit], str]]]:
        """Segments with what gives a unit's value: everyone, and attributes at the latest and the final as-of date.

        Metrics have pairs of attributes as well.
        """
        single = self.single_groups(experiment, as_of, latest)
        values = dict(single)
        pairs = experiment.segment_pairs if len(single) > 1 else ()
        return single + [
            (", ".join(pair), lambda unit, pair=pair: ", ".join(values[name](unit) for name in pair)) for pair in pairs
        ]

    def single_groups(
        self, experiment: Experiment, as_of: date, latest: date
    ) -> list[tuple[str, Callable[[Unit], str]]]:
        """The same without pairs, as exposures are counted by."""
        everyone: list[tuple[str, Callable[[Unit], str]]] = [("all", lambda unit: "all")]
        if as_of not in (latest, self.last_day(experiment)):
            return everyone
        return everyone + [
            (name, lambda unit, name=name: getattr(unit.first, name) or "unknown") for name in experiment.segments
        ]

    def units(self, experiment: Experiment, as_of: date) -> list[Unit]:
        """Every unit exposed within [start, end], as known at the as-of date."""
        rows: dict[str, list[Known]] = {}
        for known in self.rows[str(experiment.exposure_source)]:
            is_within = experiment.start <= known.date <= experiment.end
            if known.row.experiment == experiment.id and is_within and known.known_from <= as_of:
                rows.setdefault(known.row.unit, []).append(known)
        return [_unit(unit_id, found) for unit_id, found in sorted(rows.items())]

    def exposure_counts(self, through: date) -> dict[Key, dict[str, Any]]:
        """`(as_of_date, experiment_id, variant_id, segment_name, segment_value)` to the counts."""
        counts = {}
        for experiment in self.config.experiments.values():
            dates = self.as_of_dates(experiment, through)
            for as_of in dates:
                for segment, value_of in self.single_groups(experiment, as_of, dates[-1]):
                    units = self.units(experiment, as_of)
                    for value in {value_of(unit) for unit in units}:
                        for variant in experiment.variants:
                            mine = [u for u in units if value_of(u) == value and u.first.variant == variant.id]
                            counts[as_of, experiment.id, variant.id, segment, value] = _counts(mine) | {
                                "expected_share": variant.weight
                            }
        return counts

    def epoch_counts(self, through: date) -> dict[Key, dict[str, Any]]:
        """The same by allocation epoch: those that brought a unit."""
        counts = {}
        for experiment in self.config.experiments.values():
            starts = [epoch.from_ for epoch in experiment.allocation] or [experiment.start]
            dates = self.as_of_dates(experiment, through)
            for as_of in dates:
                units = self.units(experiment, as_of)
                epochs = {unit.id: sum(start <= unit.date for start in starts) - 1 for unit in units}
                for segment, value_of in self.single_groups(experiment, as_of, dates[-1]):
                    for value, epoch in {(value_of(unit), epochs[unit.id]) for unit in units}:
                        for variant in experiment.variants:
                            mine = [
                                unit
                                for unit in units
                                if (value_of(unit), epochs[unit.id], unit.first.variant) == (value, epoch, variant.id)
                            ]
                            key = (as_of, experiment.id, variant.id, segment, value, epoch)
                            counts[key] = _counts(mine) | {"weight": variant.weight}
        return counts

    def metric_moments(self, through: date) -> dict[Key, dict[str, Any]]:
        """`(as_of_date, experiment_id, variant_id, metric_id, segment_name, segment_value)` to the moments.

        Groups with nobody in the metric's population are left out.
        """
        moments = {}
        for experiment in self.config.experiments.values():
            dates = self.as_of_dates(experiment, through)
            for as_of in dates:
                units = self.units(experiment, as_of)
                for metric_id in experiment.metrics.roles:
                    metric = self.config.metrics[metric_id]
                    values = self.values(metric, experiment, units, as_of)
                    caps = self.caps(metric, values)
                    values = [capped(value, caps) for value in values]
                    for segment, value_of in self.groups(experiment, as_of, dates[-1]):
                        for variant, value in {(v.unit.first.variant, value_of(v.unit)) for v in values}:
                            mine = [v for v in values if (v.unit.first.variant, value_of(v.unit)) == (variant, value)]
                            arm = [v for v in values if v.unit.first.variant == variant]
                            key = (as_of, experiment.id, variant, metric_id, segment, value)
                            moments[key] = self.moments(metric, mine, arm, caps[0])
        return moments

    def stratum_moments(self, through: date) -> dict[Key, dict[str, Any]]:
        """`(as_of_date, experiment_id, variant_id, metric_id, stratum)` to the moments of groups with usable units."""
        moments = {}
        for experiment in self.config.experiments.values():
            names = experiment.segments if experiment.analysis.adjustment == "post_stratification" else ()
            dates = self.as_of_dates(experiment, through) if names else []
            metrics = [self.config.metrics[id_] for id_ in experiment.metrics.roles]
            for as_of, metric in product(
                dates, [one for one in metrics if one.type not in ("quantile", "categorical")]
            ):
                values = self.values(metric, experiment, self.units(experiment, as_of), as_of)
                caps = self.caps(metric, values)
                groups: dict[Key, list[Value]] = {}
                for value in (capped(value, caps) for value in values if not overflows(value)):
                    parts = [f"{name}={getattr(value.unit.first, name) or 'unknown'}" for name in sorted(names)]
                    groups.setdefault((value.unit.first.variant, ", ".join(parts)), []).append(value)
                for (variant, stratum), mine in groups.items():
                    found = self.moments(metric, mine, mine, caps[0])
                    key = (as_of, experiment.id, variant, metric.id, stratum)
                    moments[key] = {name: found.get(name) for name in STRATUM_COLUMNS} | {"n_cells": 1}
        return moments

    def value_counts(self, through: date) -> dict[Key, dict[str, Any]]:
        """`(as_of_date, experiment_id, variant_id, metric_id, segment_name, segment_value, value)` to its units."""
        counts: dict[Key, dict[str, Any]] = {}
        for experiment in self.config.experiments.values():
            dates = self.as_of_dates(experiment, through)
            quantiles = [
                metric
                for id_ in experiment.metrics.roles
                if (metric := self.config.metrics[id_]).type == "quantile" and metric.of == "units"
            ]
            for as_of, metric in product(dates, quantiles):
                one = 10 ** self.decimals(metric.components[0])
                for value in self.values(metric, experiment, self.units(experiment, as_of), as_of):
                    if overflows(value):
                        continue
                    for segment, value_of in self.groups(experiment, as_of, dates[-1]):
                        group = (value.unit.first.variant, metric.id, segment, value_of(value.unit))
                        key = (as_of, experiment.id, *group, value.raw / one)
                        counts[key] = {"n_units": counts.get(key, {"n_units": 0})["n_units"] + 1}
        return counts

    def values(self, metric: Metric, experiment: Experiment, units: Iterable[Unit], as_of: date) -> list[Value]:
        """The metric's population: units not mixed whose window has ended by the end of the as-of date."""
        found = []
        for unit in units:
            matured_at = unit.first.at + (metric.window.end_days if metric.window else 0) * DAY
            if unit.is_mixed or matured_at > end_of_day(as_of, self.project):
                continue
            in_window = self.in_window(metric, experiment, unit, as_of)
            if metric.type == "categorical":
                found.append(Value(unit, *(0,) * 6))  # a category has no number
                continue
            parts = [self.total(component, unit, in_window) for component in metric.components]
            covariate, has_no_history, further = 0, 0, ()
            if metric.covariate:
                in_lookback = _in_lookback(unit, metric.covariate.lookback_days)
                covariate = self.total(metric.components[0], unit, in_lookback)
                has_no_history = self.lacks_history(metric.components[0].source, unit, in_lookback)
                further = tuple(self.further(metric, unit, in_lookback))
            if metric.type in ("proportion", "retention"):
                parts, covariate = [int(part > 0) for part in parts], int(covariate > 0)
            numerator, denominator = parts if len(parts) == 2 else (*parts, 0)
            found.append(
                Value(unit, numerator, denominator, numerator, denominator, covariate, has_no_history, further)
            )
        return found

    def lacks_history(self, source: str, unit: Unit, in_lookback: Callable[[Known], bool]) -> int:
        return int(not any(in_lookback(known) for known in self.rows_of_unit.get((source, unit.id), [])))

    def further(
        self, metric: Metric, unit: Unit, in_lookback: Callable[[Known], bool]
    ) -> Iterator[tuple[str, int, int]]:
        sources = {metric.components[0].source}
        for one in metric.further_covariates:
            total = self.total(one, unit, in_lookback)
            yield one.name, int(total > 0) if one.type == "proportion" else total, 10 ** self.decimals(one)
            if one.source not in sources:
                yield f"no history in {one.source}", self.lacks_history(one.source, unit, in_lookback), 1
            sources.add(one.source)

    def in_window(self, metric: Metric, experiment: Experiment, unit: Unit, as_of: date) -> Callable[[Known], bool]:
        if metric.window is None:
            return lambda known: (
                known.known_from <= as_of and known.row.at >= unit.first.at and known.date <= experiment.end
            )
        first, end = (unit.first.at + n * DAY for n in (metric.window.start_days, metric.window.end_days))
        return lambda known: known.known_from <= as_of and first <= known.row.at < end

    def total(self, component: Component, unit: Unit, counts: Callable[[Known], bool]) -> int:
        events = self.events(component, unit, counts)
        if component.aggregate == "count" and component.measure is None:
            return len(events)
        if component.aggregate == "count_distinct":
            found = (
                event.quantised if component.measure else getattr(event, str(component.property)) for event in events
            )
            return len({value for value in found if value is not None})
        measures = [event.quantised for event in events if event.quantised is not None]
        if component.aggregate == "count":
            return len(measures)
        return sum(measures) if component.aggregate == "sum" else max(measures, default=0)

    def events(self, component: Component, unit: Unit, counts: Callable[[Known], bool]) -> list[Event]:
        return [
            known.row
            for known in self.rows_of_unit.get((component.source, unit.id), [])
            if known.row.name == component.event
            and all(_holds(condition, known.row) for condition in component.where)
            and counts(known)
        ]

    def decimals(self, component: Component) -> int:
        if component.aggregate not in ("sum", "max"):
            return 0
        source = next(source for source in self.config.sources.events if source.id == component.source)
        return source.measures[component.measure].decimals

    def caps(self, metric: Metric, values: Sequence[Value]) -> list[int | None]:
        """The cap of the numerator and of the denominator, in quantised units."""
        if metric.cap is None:
            return [None, None]
        if metric.cap.upper is not None:
            caps = [int(metric.cap.upper * 10 ** self.decimals(component)) for component in metric.components]
        else:
            quantile = Fraction(metric.cap.upper_quantile)
            columns = [[v.numerator for v in values], [v.denominator for v in values]]
            caps = [sorted(column)[ceil(quantile * len(column)) - 1] for column in columns if column]
        return [*caps, None, None][:2]

    def moments(self, metric: Metric, mine: Sequence[Value], arm: Sequence[Value], cap: int | None) -> dict[str, Any]:
        """Moments of one group, in the metric's unit; `arm` is all of its variant, without regard to segments."""
        one = 10 ** self.decimals(metric.components[0])
        usable = [value for value in mine if not overflows(value)]
        last_cohort_date = max((value.unit.date for value in usable), default=None)
        if metric.type == "categorical":
            return {"n_units": len(mine), "n_overflow": 0, "n_not_computed": 0, "last_cohort_date": last_cohort_date}
        y = [Fraction(value.numerator, one) for value in usable]
        result: dict[str, Any] = {
            "n_units": len(usable),
            "n_overflow": len(mine) - len(usable),
            "n_not_computed": 0,
            "total": Fraction(sum(value.raw for value in usable), one),
            "mean": mean_of(y),
            "variance": covariance(y, y),
            "last_cohort_date": last_cohort_date,
            "cap_value": None if cap is None else Fraction(cap, one),
        }
        d: list[Fraction] = []
        if metric.type == "ratio":
            d = [Fraction(value.denominator, 10 ** self.decimals(metric.components[1])) for value in usable]
            result |= {
                "denominator_mean": mean_of(d),
                "denominator_variance": covariance(d, d),
                "denominator_covariance": covariance(y, d),
            }
        if metric.covariate is not None:
            x = [Fraction(value.covariate, one) for value in usable]
            h = [Fraction(value.has_no_history) for value in usable]
            result |= {
                "covariate_mean": mean_of(x),
                "covariate_variance": covariance(x, x),
                "covariate_covariance": covariance(y, x),
                "no_history_share": mean_of(h),
                "no_history_covariance": covariance(y, h),
                "covariate_no_history_covariance": covariance(x, h),
            }
            if metric.type == "ratio":
                result |= {
                    "denominator_covariate_covariance": covariance(d, x),
                    "denominator_no_history_covariance": covariance(d, h),
                }
        return result | self._third(metric, usable)

    def _third(self, metric: Metric, usable: Sequence[Value]) -> dict[str, Any]:
        """The third central moment; of a ratio, of numerator - ratio * denominator.

        `third_rounding` bounds what rounding to double may change: of a ratio, exact sums of triple products cancel.
        """
        one = 10 ** self.decimals(metric.components[0])
        ratio = Fraction(0)
        if metric.type == "ratio":
            total = sum(value.denominator for value in usable)
            if total == 0:
                return {"third_central_moment": None}
            ratio = Fraction(sum(value.numerator for value in usable), total)
        if len(usable) < 2:
            return {"third_central_moment": None}
        linear = [(value.numerator - ratio * value.denominator) / one for value in usable]
        centre = sum(linear) / len(linear)
        sizes = [(abs(value.numerator) + abs(ratio * value.denominator)) / one for value in usable]
        return {
            "third_central_moment": sum((value - centre) ** 3 for value in linear) / len(linear),
            "third_rounding": 1e-14 * float(sum(size**3 for size in sizes) / len(sizes)),
        }


def _unit(unit_id: str, rows: Sequence[Known]) -> Unit:
    def precedence(known: Known) -> Key:
        row = known.row
        attributes = [(value is None, value or "") for value in (row.country, row.device)]
        return row.at, row.variant, *attributes

    first = min(rows, key=precedence)
    return Unit(
        id=unit_id,
        first=first.row,
        date=first.date,
        known_from=min(known.known_from for known in rows if known.row.at == first.row.at),
        is_mixed=len({known.row.variant for known in rows}) > 1,
    )


def _in_lookback(unit: Unit, days: int) -> Callable[[Known], bool]:
    """Whole local days before the exposure's date, as known when the exposure became known."""
    return lambda known: unit.date - days * DAY <= known.date < unit.date and known.known_from <= unit.known_from


def _holds(condition: Condition, event: Row) -> bool:
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    is_listed = getattr(event, condition.property) in values
    return is_listed if condition.op in ("=", "in") else not is_listed


def overflows(value: Value) -> bool:
    further = [part for _, part, _ in value.further]
    return any(abs(part) >= OVERFLOW for part in (value.raw, value.raw_denominator, value.covariate, *further))


def capped(value: Value, caps: Sequence[int | None]) -> Value:
    numerator, denominator = (
        part if cap is None else min(part, cap)
        for part, cap in zip((value.numerator, value.denominator), caps, strict=True)
    )
    return replace(value, numerator=numerator, denominator=denominator)


def _counts(units: Sequence[Unit]) -> dict[str, Any]:
    n_mixed = sum(unit.is_mixed for unit in units)
    return {"n_units": len(units) - n_mixed, "n_mixed_excluded": n_mixed}


def mean_of(values: Sequence[Fraction]) -> Fraction | None:
    return sum(values, Fraction(0)) / len(values) if values else None


def covariance(left: Sequence[Fraction], right: Sequence[Fraction]) -> Fraction | None:
    if len(left) < 2:
        return None
    mean_left, mean_right = sum(left) / len(left), sum(right) / len(right)
    products = ((x - mean_left) * (y - mean_right) for x, y in zip(left, right, strict=True))
    return sum(products, Fraction(0)) / (len(left) - 1)
