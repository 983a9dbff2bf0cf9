"""Metrics as columns: the plain data from which the dbt models build their SQL.

Each metric is broken into components (an aggregate of a source's events per unit and day) and unit
values (a component over a range of days). Both are named by the hash of their definition, so metrics
that need the same column share it and a changed definition gets a new one.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from configs.schema import Component, Condition, Config, EventSource, Metric

Entry = dict[str, Any]

_STRATIFIABLE = ("mean", "proportion", "retention", "ratio")


def metric_catalog(config: Config) -> Entry:
    """All metrics of the config as components, unit values and metrics; see docs/architecture.md.

    Only dicts with text keys, lists, text, integers, booleans and None; equal configs give equal data
    whatever the order of their entries.
    """
    columns = _Columns({source.id: source for source in config.sources.events})
    metrics = [columns.add_metric(metric) for _, metric in sorted(config.metrics.items())]
    exposures = sorted(config.sources.exposures, key=lambda source: source.id)
    events = sorted(config.sources.events, key=lambda source: source.id)
    return {
        "attributes": sorted({name for source in exposures for name in source.attributes}),
        "exposure_sources": [{"source_id": source.id, "attributes": sorted(source.attributes)} for source in exposures],
        "event_sources": [
            {
                "source_id": source.id,
                "measures": sorted(source.measures),
                "properties": sorted(source.properties),
            }
            for source in events
        ],
        "components": [columns.components[name] for name in sorted(columns.components)],
        "unit_values": [columns.unit_values[name] for name in sorted(columns.unit_values)],
        "metrics": metrics,
        "strata": _strata(config),
        "lookback_days": max((metric["lookback_days"] for metric in metrics), default=0),
        "late_arrival_days": config.project.late_arrival_days,
    }


def _strata(config: Config) -> Entry:
    """What post-stratification needs summed: attributes that make strata, and metrics that are adjusted by them."""
    stratified = [one for one in config.experiments.values() if one.is_analysed and one.strata]
    metrics = {id_ for experiment in stratified for id_ in experiment.metrics.roles}
    return {
        "attributes": sorted({name for experiment in stratified for name in experiment.strata}),
        "metrics": sorted(id_ for id_ in metrics if config.metrics[id_].type in _STRATIFIABLE),
    }


def normalised_conditions(conditions: Sequence[Condition]) -> list[Entry]:
    """Conditions as sorted `in` lists of text, negated or not.

    A negated condition holds for an event without the property: NULL is not 'web'.
    """
    entries = []
    for condition in conditions:
        values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        entries.append(
            {
                "property": condition.property,
                "op": "in",
                "values": sorted({_property_text(value) for value in values}),
                "negated": condition.op in ("!=", "not in"),
            }
        )
    return sorted(entries, key=_canonical)


def definition_hash(definition: Mapping[str, Any], digits: int) -> str:
    """The first hexadecimal digits of the SHA-256 of the definition's canonical JSON."""
    return hashlib.sha256(_canonical(definition).encode()).hexdigest()[:digits]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _property_text(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


class _Columns:
    """The columns that the metrics added so far need."""

    def __init__(self, sources: Mapping[str, EventSource]) -> None:
        self.components: dict[str, Entry] = {}
        self.unit_values: dict[str, Entry] = {}
        self._sources = sources

    def add_metric(self, metric: Metric) -> Entry:
        numerator, denominator = metric.components[0], None
        if metric.type == "ratio":
            denominator = metric.components[1]
        decimals = self._decimals(numerator)
        denominator_decimals = self._decimals(denominator) if denominator else 0
        definition = {
            "type": metric.type,
            "is_binary": metric.type in ("proportion", "retention"),
            "decimals": decimals,
            "value": self._window_value(metric, numerator),
            "end_days": metric.window.end_days if metric.window else None,
            "cap_upper": _quantised_cap(metric, decimals),
            "cap_quantile": _cap_quantile(metric),
            "denominator": self._window_value(metric, denominator) if denominator else None,
            "denominator_decimals": denominator_decimals,
            "denominator_cap_upper": _quantised_cap(metric, denominator_decimals) if denominator else None,
            "covariate": None,
            "history": None,
            "lookback_days": 0,
        }
        if metric.quantile is not None:
            definition["quantile"] = repr(metric.quantile)
        if metric.covariate is not None:
            days = metric.covariate.lookback_days
            definition |= {
                "covariate": self._value(self._component(metric, numerator), numerator.aggregate, -days, -1),
                "history": self._value(self._any_event(numerator.source), "sum", -days, -1),
                "lookback_days": days,
            }
        return {"metric_id": metric.id, "metric_hash": definition_hash(definition, 12)} | definition

    def _window_value(self, metric: Metric, component: Component) -> str:
        first_day = metric.window.start_days if metric.window else 0
        last_day = metric.window.end_days - 1 if metric.window else None
        return self._value(self._component(metric, component), component.aggregate, first_day, last_day)

    def _component(self, metric: Metric, component: Component) -> str:
        return self._add_component(
            {
                "source_id": component.source,
                "event_name": component.event,
                "where": normalised_conditions(component.where),
                "aggregate": component.aggregate,
                "measure": component.measure,
                "open_ended": metric.window is None,
            },
            decimals=self._decimals(component),
        )

    def _any_event(self, source_id: str) -> str:
        return self._add_component(
            {
                "source_id": source_id,
                "event_name": None,
                "where": [],
                "aggregate": "count",
                "measure": None,
                "open_ended": False,
            },
            decimals=0,
        )

    def _add_component(self, entry: Entry, *, decimals: int) -> str:
        # The stored integers are in units of 10^-decimals: other decimals are another column.
        column = f"c_{definition_hash(entry | {'decimals': decimals}, 10)}"
        self.components[column] = {"column": column} | entry
        return column

    def _value(self, component: str, aggregate: str, first_day: int, last_day: int | None) -> str:
        entry = {
            "component": component,
            "aggregate": "max" if aggregate == "max" else "sum",
            "first_day": first_day,
            "last_day": last_day,
        }
        column = f"v_{definition_hash(entry, 10)}"
        self.unit_values[column] = {"column": column} | entry
        return column

    def _decimals(self, component: Component) -> int:
        if component.measure is None:
            return 0
        return self._sources[component.source].measures[component.measure].decimals


def _quantised_cap(metric: Metric, decimals: int) -> int | None:
    if metric.cap is None or metric.cap.upper is None:
        return None
    return int(metric.cap.upper.scaleb(decimals))


def _cap_quantile(metric: Metric) -> str | None:
    if metric.cap is None or metric.cap.upper_quantile is None:
        return None
    return decimal_text(metric.cap.upper_quantile)


def decimal_text(value: Decimal) -> str:
    """A decimal without exponent and trailing zeros, so that 500, 500.0 and 5E2 are one."""
    return f"{value.normalize():f}"
