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

from configs.covariates import Term, further_terms
from configs.metric_schema import property_text
from configs.panel_catalog import panel_catalog
from configs.propensities import propensity_catalog
from configs.schema import Component, Condition, Config, EventSource, Experiment, Metric
from configs.switchback_catalog import switchback_catalog

Entry = dict[str, Any]

_ADDITIVE = ("mean", "proportion", "retention", "ratio")
_BATCHED = ("proportion", "mean", "retention")


def metric_catalog(config: Config) -> Entry:
    """All metrics of the config as components, unit values and metrics; see docs/architecture.md.

    Only dicts with text keys, lists, text, integers, booleans and None; equal configs give equal data
    whatever the order of their entries.
    """
    columns = _Columns({source.id: source for source in config.sources.events})
    metrics = [columns.add_metric(metric) for _, metric in sorted(config.metrics.items())]
    coverages = [columns.add_coverage(*covered) for covered in _all_coverages(config)]
    probes = [probe for key in _all_probes(config) for probe in columns.add_probes(config.metrics[key[0]], key[1])]
    exposures = sorted(config.sources.exposures, key=lambda source: source.id)
    events = sorted(config.sources.events, key=lambda source: source.id)
    more = panel_catalog(config) | switchback_catalog(config) | propensity_catalog(config)
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
        "measures_with_units": sorted(
            {id_ for source in events for id_, measure in source.measures.items() if measure.unit_column}
        ),
        "value_sets": [columns.value_sets[name] for name in sorted(columns.value_sets)],
        "components": [columns.components[name] for name in sorted(columns.components)],
        "unit_values": [columns.unit_values[name] for name in sorted(columns.unit_values)],
        "metrics": metrics,
        "strata": _strata(config),
        "segment_pairs": _segment_pairs(config),
        "trends": _trends(config),
        "overlaps": _overlaps(config),
        "batches": {"metrics": sorted({id_ for _, id_ in batched_metrics(config)})},
        "coverages": coverages,
        "probes": probes,
        "lookback_days": max((metric["lookback_days"] for metric in metrics), default=0),
        "late_arrival_days": config.project.late_arrival_days,
    } | more


def _strata(config: Config) -> Entry:
    """What strata need summed: attributes that make some, whether allocation epochs do, and the metrics within them.

    Clusters are strata here: an attribute's values by which sums are kept apart.
    """
    analysed = [one for one in config.experiments.values() if one.is_analysed]
    stratified = [one for one in analysed if one.grouping or one.changes_weights]
    metrics = {id_ for experiment in stratified for id_ in experiment.metrics.roles}
    return {
        "attributes": sorted({name for experiment in stratified for name in experiment.grouping}),
        "by_epoch": any(experiment.changes_weights for experiment in stratified),
        "metrics": sorted(id_ for id_ in metrics if config.metrics[id_].type in _ADDITIVE),
    }


def _segment_pairs(config: Config) -> list[list[str]]:
    """The pairs of attributes that some analysed experiment has as segments."""
    analysed = [experiment for experiment in config.experiments.values() if experiment.is_analysed]
    return [list(pair) for pair in sorted({pair for experiment in analysed for pair in experiment.segment_pairs})]


def _trends(config: Config) -> Entry:
    """Over how many days the longest trend of an analysed experiment goes, and the metrics that are followed by day."""
    followed = [one for one in config.experiments.values() if one.is_analysed and one.trends]
    metrics = {id_ for experiment in followed for id_ in experiment.metrics.roles}
    return {
        "days": max((experiment.trends.days for experiment in followed if experiment.trends), default=0),
        "metrics": sorted(id_ for id_ in metrics if config.metrics[id_].has_daily_values),
    }


def _overlaps(config: Config) -> Entry | None:
    """From how many shared units on a pair of experiments is tested, and by which metrics; None: not at all."""
    if config.project.overlaps is None:
        return None
    randomised = [one for one in config.experiments.values() if one.is_analysed and one.follows_units]
    metrics = {id_ for one in randomised for id_ in one.metrics.roles}
    return {
        "minimum_shared_units": config.project.overlaps.minimum_shared_units,
        "metrics": sorted(id_ for id_ in metrics if config.metrics[id_].type in _ADDITIVE),
    }


def batched_metrics(config: Config) -> list[tuple[str, str]]:
    """Experiments that are analysed by batch, each with the metrics that can be."""
    return [
        (experiment.id, id_)
        for _, experiment in sorted(config.experiments.items())
        if experiment.bandit is not None and experiment.is_analysed
        for id_ in sorted(experiment.metrics.roles)
        if config.metrics[id_].type in _BATCHED and config.metrics[id_].bootstrap is None
    ]


def coverage_windows(experiment: Experiment, metrics: Mapping[str, Metric]) -> dict[str, int | None]:
    """Each event source that an experiment reads, with the shortest window of its metrics on it in days, None: open.

    Health checks ask what share of units has any event of the source within it. It depends on the experiment's own
    metrics alone, so that another experiment's cannot change it; and metrics that mature then are there anyway.
    """
    windows: dict[str, int | None] = {}
    for metric in (metrics[id_] for id_ in experiment.metrics.roles):
        days = metric.window.end_days if metric.window else None
        for source_id in {component.source for component in metric.components}:
            known = [window for window in (windows.get(source_id), days) if window is not None]
            windows[source_id] = min(known, default=None)
    return windows


def _all_coverages(config: Config) -> list[tuple[str, int | None]]:
    pairs = {
        pair
        for experiment in config.experiments.values()
        if experiment.is_analysed and experiment.follows_units
        for pair in coverage_windows(experiment, config.metrics).items()
    }
    return sorted(pairs, key=lambda pair: (pair[0], pair[1] or 0))


def bot_limit(config: Config, experiment: Experiment) -> int | None:
    """More events than this in one day of a unit mark a bot; None: not looked for."""
    return config.project.health.overridden_by(experiment.health).bot_daily_events


def _all_probes(config: Config) -> list[tuple[str, int | None]]:
    """Metrics that health checks sum up more of: with the limit beyond which a unit is a bot; None: amounts' units."""
    checked = {
        (source.id, id_) for source in config.sources.events for id_, one in source.measures.items() if one.unit_column
    }
    pairs: set[tuple[str, int | None]] = set()
    for experiment in (one for one in config.experiments.values() if one.is_analysed and one.follows_units):
        limit = bot_limit(config, experiment)
        pairs |= {(id_, limit) for id_ in experiment.metrics.roles if limit is not None}
        for id_ in experiment.metrics.roles:
            if any((part.source, part.measure) in checked for part in config.metrics[id_].components):
                pairs.add((id_, None))
    return sorted(pairs, key=lambda pair: (pair[0], pair[1] or 0))


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
                "values": sorted({property_text(value) for value in values}),
                "negated": condition.op in ("!=", "not in"),
            }
        )
    return sorted(entries, key=_canonical)


def definition_hash(definition: Mapping[str, Any], digits: int) -> str:
    """The first hexadecimal digits of the SHA-256 of the definition's canonical JSON."""
    return hashlib.sha256(_canonical(definition).encode()).hexdigest()[:digits]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


class _Columns:
    """The columns that the metrics added so far need."""

    def __init__(self, sources: Mapping[str, EventSource]) -> None:
        self.components: dict[str, Entry] = {}
        self.unit_values: dict[str, Entry] = {}
        self.value_sets: dict[str, Entry] = {}
        self._sources = sources

    def add_metric(self, metric: Metric) -> Entry:
        numerator, denominator = metric.components[0], None
        if metric.type == "ratio":
            denominator = metric.components[1]
        # The moments of a quantile of events are of their number.
        decimals = self._decimals(numerator) if metric.of == "units" else 0
        denominator_decimals = self._decimals(denominator) if denominator else 0
        definition: Entry = {
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
        if metric.bootstrap is not None:
            definition["is_bootstrapped"] = True
        if metric.type == "categorical":
            definition["categories"] = list(metric.all_categories)
        if metric.of == "events":
            definition |= self._event_values(metric, numerator, str(definition["value"]))
        if metric.covariate is not None:
            days = metric.covariate.lookback_days
            definition |= {
                "covariate": self._value(metric, numerator, -days, -1),
                "history": self._days(self._any_event(numerator.source), "sum", -days, -1),
                "lookback_days": days,
            }
        if terms := further_terms(metric):
            definition["further"] = [self._further(metric, term) for term in terms]
        return {"metric_id": metric.id, "metric_hash": definition_hash(definition, 12)} | definition

    def _further(self, metric: Metric, term: Term) -> Entry:
        """The unit value of a further covariate, or of any event of its source; `kind` says how a unit's is seen."""
        days = metric.covariate.lookback_days if metric.covariate else 0
        if term.covariate is None:
            column, kind, decimals = self._days(self._any_event(term.source), "sum", -days, -1), "no_history", 0
        else:
            column = self._value(metric, term.covariate, -days, -1)
            kind = "share" if term.covariate.type == "proportion" else "amount"
            decimals = self._decimals(term.covariate)
        return {"name": term.name, "value": column, "kind": kind, "decimals": decimals}

    def _event_values(self, metric: Metric, component: Component, number_of_events: str) -> Entry:
        """The column of single events' measures, their decimals, and the days of the window."""
        counted = self.unit_values[number_of_events]["component"]
        column = f"e_{counted.removeprefix('c_')}"
        self.components[counted]["event_values"] = column
        first_day, last_day = _days(metric)
        return {
            "event_values": column,
            "event_decimals": self._decimals(component),
            "first_day": first_day,
            "last_day": last_day,
        }

    def add_coverage(self, source_id: str, end_days: int | None) -> Entry:
        """A share of units with any event of a source, in the form of a metric."""
        component = self._any_event(source_id, open_ended=end_days is None)
        definition = {
            "type": "proportion",
            "is_binary": True,
            "decimals": 0,
            "value": self._days(component, "sum", 0, None if end_days is None else end_days - 1),
            "end_days": end_days,
            "cap_upper": None,
            "cap_quantile": None,
            "denominator": None,
            "denominator_decimals": 0,
            "denominator_cap_upper": None,
            "covariate": None,
            "history": None,
            "lookback_days": 0,
        }
        # Not a metric's hash, even where a metric has the same definition: columns are named by it.
        hash_ = definition_hash(definition | {"covers": source_id}, 12)
        return {"source_id": source_id, "metric_hash": hash_} | definition

    def add_probes(self, metric: Metric, limit: int | None) -> list[Entry]:
        """What health checks sum up of a metric's units, in the form of metrics of which only totals are kept.

        With a limit: how many units have more events in a day (`value` beyond `above`), and what of the metric's total
        they bring (`denominator`). Without: how many amounts are in another unit (`value`), and in the measure's own.
        """
        if limit is not None:
            return [self._bot_probe(metric, limit)]
        checked = [
            component
            for component in dict.fromkeys(metric.components)
            if component.measure and self._sources[component.source].measures[component.measure].unit_column
        ]
        return [
            self._probe(
                metric,
                "other_unit",
                value=self._amounts(metric, component, in_other_unit=True),
                denominator=self._amounts(metric, component, in_other_unit=False),
            )
            for component in checked
        ]

    def _bot_probe(self, metric: Metric, limit: int) -> Entry:
        component = metric.components[0]
        any_event = self._any_event(component.source, open_ended=metric.window is None)
        has_total = metric.type in _ADDITIVE
        return self._probe(
            metric,
            "bots",
            value=self._days(any_event, "max", *_days(metric)),
            above=limit,
            denominator=self._window_value(metric, component) if has_total else None,
            denominator_decimals=self._decimals(component) if has_total else 0,
            denominator_is_binary=metric.type in ("proportion", "retention"),
        )

    def _probe(self, metric: Metric, kind: str, **own: Any) -> Entry:
        definition: Entry = {
            "type": "mean",
            "is_binary": False,
            "decimals": 0,
            "end_days": metric.window.end_days if metric.window else None,
            "cap_upper": None,
            "cap_quantile": None,
            "denominator_decimals": 0,
            "denominator_cap_upper": None,
            "denominator_is_binary": False,
            "covariate": None,
            "history": None,
            "lookback_days": 0,
            "only_totals": True,
        } | own
        hash_ = definition_hash(definition | {"probes": metric.id, "kind": kind}, 12)
        return {"metric_id": metric.id, "kind": kind, "metric_hash": hash_} | definition

    def _amounts(self, metric: Metric, component: Component, *, in_other_unit: bool) -> str:
        """The number of a component's amounts in the measure's unit, or of those in another one."""
        entry: Entry = {
            "source_id": component.source,
            "event_name": component.event,
            "where": normalised_conditions(component.where),
            "aggregate": "count",
            "measure": None if in_other_unit else component.measure,
            "open_ended": metric.window is None,
        }
        if in_other_unit:
            entry["other_unit_of"] = component.measure
        return self._days(self._add_component(entry, decimals=0), "sum", *_days(metric))

    def _window_value(self, metric: Metric, component: Component) -> str:
        return self._value(metric, component, *_days(metric))

    def _value(self, metric: Metric, component: Component, first_day: int, last_day: int | None) -> str:
        entry: Entry = {
            "source_id": component.source,
            "event_name": component.event,
            "where": normalised_conditions(component.where),
            "aggregate": component.aggregate,
            "measure": component.measure,
            "open_ended": metric.window is None,
        }
        if component.aggregate == "first":
            entry |= {"property": component.property, "categories": [property_text(name) for name in metric.categories]}
        if component.aggregate == "count_distinct":
            # Whether a value is a new one depends on the days that count.
            values = self._add_value_set(entry | {"property": component.property})
            entry |= {"values": values, "first_day": first_day, "last_day": last_day}
        column = self._add_component(entry, decimals=self._decimals(component))
        return self._days(column, component.aggregate, first_day, last_day)

    def _add_value_set(self, entry: Entry) -> str:
        column = f"s_{definition_hash(entry, 10)}"
        self.value_sets[column] = {"column": column} | entry
        return column

    def _any_event(self, source_id: str, *, open_ended: bool = False) -> str:
        return self._add_component(
            {
                "source_id": source_id,
                "event_name": None,
                "where": [],
                "aggregate": "count",
                "measure": None,
                "open_ended": open_ended,
            },
            decimals=0,
        )

    def _add_component(self, entry: Entry, *, decimals: int) -> str:
        # The stored integers are in units of 10^-decimals: other decimals are another column.
        column = f"c_{definition_hash(entry | {'decimals': decimals}, 10)}"
        self.components.setdefault(column, {"column": column} | entry)
        return column

    def _days(self, component: str, aggregate: str, first_day: int, last_day: int | None) -> str:
        entry = {
            "component": component,
            "aggregate": "max" if aggregate in ("max", "first") else "sum",
            "first_day": first_day,
            "last_day": last_day,
        }
        column = f"v_{definition_hash(entry, 10)}"
        self.unit_values[column] = {"column": column} | entry
        return column

    def _decimals(self, component: Component) -> int:
        if component.amount is None:
            return 0
        return self._sources[component.source].measures[component.amount].decimals


def _days(metric: Metric) -> tuple[int, int | None]:
    """First and last whole day of the window since exposure; no last one without a window."""
    return (metric.window.start_days, metric.window.end_days - 1) if metric.window else (0, None)


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
