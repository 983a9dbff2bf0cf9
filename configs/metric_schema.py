"""The models of `metrics/*.yaml`. Import them from `configs.schema`."""

import builtins
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from configs.entity import Entity, Identifier, Probability

Aggregate = Literal["sum", "count", "max", "count_distinct", "first"]
MOST_CATEGORIES = 50
MOST_COVARIATES = 8
OTHER, NONE = "other", "none"
"""The categories of units whose first event has none of the declared ones, and of units without an event."""
Scalar = str | int | float | bool


class Condition(Entity):
    """One structured condition on a property; conditions of a `where` list are joined by AND."""

    property: Identifier
    op: Literal["=", "!=", "in", "not in"] = "="
    value: Scalar | tuple[Scalar, ...]

    @model_validator(mode="after")
    def _value_fits_op(self) -> "Condition":
        many = isinstance(self.value, tuple)
        if many != (self.op in ("in", "not in")):
            hint = "one value; use 'in' or 'not in' for a list" if many else "a list of values"
            raise ValueError(f"op {self.op!r} takes {hint}")
        if many and not self.value:
            raise ValueError(f"op {self.op!r} needs at least one value")
        return self


def property_text(value: Scalar) -> str:
    """A value of a property as the logs hold it: text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def _check_aggregated(aggregate: Aggregate, measure: str | None, property_: str | None) -> None:
    if aggregate == "count_distinct":
        if (measure is None) == (property_ is None):
            raise ValueError(
                "aggregate 'count_distinct' counts the different values of one column; give `property`, or `measure`"
            )
        return
    if aggregate == "first":
        raise ValueError("aggregate 'first' goes with type categorical, and only there")
    if property_ is not None:
        raise ValueError(f"aggregate {aggregate!r} takes no property; drop `property` or use 'count_distinct'")
    if aggregate in ("sum", "max") and measure is None:
        raise ValueError(f"aggregate {aggregate!r} needs a measure")
    if aggregate == "count" and measure is not None:
        raise ValueError("aggregate 'count' takes no measure; drop `measure` or use 'sum'")


class Component(Entity):
    """An aggregate over a unit's events: what a metric is made of."""

    source: Identifier
    event: str = Field(min_length=1)
    where: tuple[Condition, ...] = ()
    aggregate: Aggregate = "count"
    measure: Identifier | None = None
    property: Identifier | None = None

    @model_validator(mode="after")
    def _columns_fit_aggregate(self) -> "Component":
        if self.aggregate != "first":
            _check_aggregated(self.aggregate, self.measure, self.property)
        return self

    @builtins.property  # a field has the name
    def amount(self) -> str | None:
        """The measure in whose unit a unit's value is; None for what counts."""
        return self.measure if self.aggregate in ("sum", "max") else None

    @builtins.property
    def properties(self) -> frozenset[str]:
        """The properties of events that it reads."""
        own = () if self.property is None else (self.property,)
        return frozenset(own) | {condition.property for condition in self.where}


class EventMeasure(Component):
    """The measure of each single event: `count` is of the events that have one."""

    @model_validator(mode="after")
    def _columns_fit_aggregate(self) -> "EventMeasure":
        if self.measure is None or self.aggregate != "count":
            raise ValueError("a quantile of events needs `measure`: the number that each event has")
        return self

    @builtins.property
    def amount(self) -> str | None:
        """The measure in whose unit an event's value is."""
        return self.measure


class Window(Entity):
    """[start_days * 24 h, end_days * 24 h) after the unit's first exposure."""

    start_days: int = Field(0, ge=0, le=365)
    end_days: int = Field(ge=1, le=366)

    @model_validator(mode="after")
    def _ordered(self) -> "Window":
        if self.start_days >= self.end_days:
            raise ValueError(f"start_days {self.start_days} must be below end_days {self.end_days}")
        return self


class Cap(Entity):
    """Winsorising above: at a fixed value, or at a quantile over mature units of all arms."""

    upper: Decimal | None = Field(None, gt=0, lt=10**14)
    upper_quantile: Decimal | None = Field(None, gt=0, lt=1)

    @model_validator(mode="after")
    def _exactly_one(self) -> "Cap":
        if (self.upper is None) == (self.upper_quantile is None):
            raise ValueError("give exactly one of `upper` and `upper_quantile`")
        return self


class FurtherCovariate(Component):
    """A covariate beside the metric's own: an aggregate of a source's events over the same days before exposure."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]
    type: Literal["mean", "proportion"] = Field("mean", description="proportion: whether there was any such event.")

    @model_validator(mode="after")
    def _columns_fit_type(self) -> "FurtherCovariate":
        if self.aggregate == "first":
            raise ValueError("aggregate 'first' goes with type categorical, and only there")
        if self.type == "proportion" and (self.aggregate != "count" or self.measure or self.property):
            raise ValueError("a proportion asks whether the event happened: no aggregate, measure or property")
        return self


class Covariate(Entity):
    """The same aggregate over the whole days before the exposure's date (CUPED), and what else explains it."""

    lookback_days: int = Field(ge=1, le=90)
    also: tuple[Identifier, ...] = Field((), description="Metrics whose values over these days are covariates too.")
    further: tuple[FurtherCovariate, ...] = Field((), description="Covariates that are no metric's value.")

    @model_validator(mode="after")
    def _not_too_many(self) -> "Covariate":
        if len(self.also) + len(self.further) > MOST_COVARIATES:
            raise ValueError(f"at most {MOST_COVARIATES} further covariates: each costs sums with every other")
        for names, key in ((self.also, "also"), ([one.name for one in self.further], "further")):
            if len(set(names)) < len(names):
                raise ValueError(f"`{key}` lists each covariate once")
        return self


class Bootstrap(Entity):
    """Tests and intervals from resampled buckets of units in place of a formula; one planned look."""

    replicates: int = Field(1999, ge=999, le=99_999)
    interval: Literal["percentile", "bca"] = "percentile"
    seed: int | None = Field(None, ge=0, lt=2**63, description="Default: from the experiment's and the metric's id.")


class Metric(Entity):
    """An entry of `metrics/*.yaml`."""

    id: Identifier
    label: str = ""
    description: str = ""
    type: Literal["proportion", "mean", "ratio", "quantile", "retention", "categorical"]
    source: Identifier | None = None
    event: Annotated[str, StringConstraints(min_length=1)] | None = None
    where: tuple[Condition, ...] = ()
    aggregate: Aggregate | None = None
    measure: Identifier | None = None
    property: Identifier | None = None
    categories: tuple[Scalar, ...] = ()
    numerator: Component | None = None
    denominator: Component | None = None
    quantile: Probability | None = None
    of: Literal["units", "events"] = "units"
    window: Window | None = None
    cap: Cap | None = None
    covariate: Covariate | None = None
    bootstrap: Bootstrap | None = None
    direction: Literal["increase", "decrease"] = "increase"

    @model_validator(mode="after")
    def _fields_fit_type(self) -> "Metric":
        if (self.type == "quantile") != (self.quantile is not None):
            raise ValueError("`quantile` goes with type quantile, and only there")
        if (self.type == "categorical") != bool(self.categories):
            raise ValueError("`categories` goes with type categorical, and only there")
        if self.of == "events" and self.type != "quantile":
            raise ValueError(f"`of: events` goes with type quantile, not {self.type}; drop it")
        if self.type == "ratio":
            self._check_ratio()
        else:
            self._check_single_component()
        if self.bootstrap is not None:
            self._check_bootstrap()
        return self

    def _check_ratio(self) -> None:
        own = ("source", "event", "where", "aggregate", "measure", "property")
        given = [name for name in own if getattr(self, name)]
        if given:
            raise ValueError(f"a ratio takes numerator and denominator, not {', '.join(given)}")
        if self.numerator is None or self.denominator is None:
            raise ValueError("a ratio needs `numerator` and `denominator`")
        if "first" in (self.numerator.aggregate, self.denominator.aggregate):
            raise ValueError("aggregate 'first' goes with type categorical, and only there")
        if self.numerator == self.denominator:
            raise ValueError("numerator and denominator are the same, so the ratio is always 1")

    def _check_single_component(self) -> None:
        if self.numerator is not None or self.denominator is not None:
            raise ValueError(f"`numerator` and `denominator` belong to type ratio, not {self.type}")
        if self.source is None or self.event is None:
            raise ValueError(f"a {self.type} needs `source` and `event`")
        if self.type == "mean" and self.aggregate is None:
            raise ValueError("a mean needs `aggregate`: sum, count, max or count_distinct")
        if self.type in ("proportion", "retention"):
            if self.aggregate not in (None, "count") or self.measure is not None or self.property is not None:
                raise ValueError(f"a {self.type} asks whether the event happened: no aggregate, measure or property")
            if self.cap is not None:
                raise ValueError(f"a {self.type} is 0 or 1: no `cap`")
        elif self.type == "categorical":
            self._check_categorical()
        elif self.aggregate is not None:
            _check_aggregated(self.aggregate, self.measure, self.property)
        if self.type == "quantile":
            self._check_quantile()
        if self.of == "events":
            self._check_quantile_of_events()
        if self.type == "retention" and not self._has_full_window():
            raise ValueError("a retention needs `window` with both start_days and end_days")

    def _check_quantile(self) -> None:
        if self.aggregate is None and self.of == "units":
            aggregates = "sum, count, max or count_distinct"
            raise ValueError(f"a quantile needs `aggregate`: {aggregates}; or `of: events`, of single events")
        if self.cap is not None:
            raise ValueError("a quantile needs no `cap`: how large the largest values are makes no difference to it")
        if self.covariate is not None:
            raise ValueError("a quantile takes no `covariate`: adjustment is of means and ratios")

    def _check_bootstrap(self) -> None:
        if self.type in ("quantile", "categorical"):
            raise ValueError(f"a {self.type} takes no `bootstrap`: it is no function of sums")
        if self.covariate is not None:
            raise ValueError("`bootstrap` is of unadjusted values: drop `covariate`, or make it a metric of its own")

    def _check_categorical(self) -> None:
        if self.property is None:
            raise ValueError("a categorical needs `property`: which one holds the category")
        if self.aggregate not in (None, "first") or self.measure is not None:
            raise ValueError("a categorical takes the category of a unit's first event: no other aggregate, no measure")
        if self.cap is not None or self.covariate is not None or "direction" in self.model_fields_set:
            raise ValueError("a categorical has no mean and no better way: no `cap`, `covariate` or `direction`")
        names = [property_text(value) for value in self.categories]
        for name in names:
            if name in (OTHER, NONE):
                raise ValueError(f"category {name!r} is there by itself; rename it or drop it from `categories`")
        if len(set(names)) < len(names) or len(names) > MOST_CATEGORIES:
            raise ValueError(f"`categories` lists each once, at most {MOST_CATEGORIES} of them")

    def _check_quantile_of_events(self) -> None:
        if self.aggregate is not None:
            raise ValueError("a quantile of events takes no `aggregate`: it is of each event's measure; drop it")
        if self.measure is None:
            raise ValueError("a quantile of events needs `measure`: the number that each event has")

    def _has_full_window(self) -> bool:
        return self.window is not None and "start_days" in self.window.model_fields_set

    @builtins.property
    def all_categories(self) -> tuple[str, ...]:
        """The categories that a unit may be in: the declared ones, then `other` and `none`."""
        return (*map(property_text, self.categories), OTHER, NONE)

    @builtins.property
    def has_daily_values(self) -> bool:
        """Whether a unit has a value of each day. Different values of a window are no sum of days, nor is a ratio."""
        return self.type in ("mean", "proportion", "retention") and self.aggregate != "count_distinct"

    @builtins.property
    def further_covariates(self) -> tuple[FurtherCovariate, ...]:
        """The covariates beside its own value before exposure, in the order in which they enter."""
        return self.covariate.further if self.covariate else ()

    @builtins.property
    def read_components(self) -> tuple[Component, ...]:
        """Whatever it reads of events: its components and its further covariates."""
        return (*self.components, *self.further_covariates)

    @builtins.property
    def components(self) -> tuple[Component, ...]:
        """The numerator and denominator of a ratio, the single component of any other metric."""
        if self.numerator is not None and self.denominator is not None:
            return (self.numerator, self.denominator)
        kind = EventMeasure if self.of == "events" else Component
        return (
            kind(
                source=self.source or "",
                event=self.event or "",
                where=self.where,
                aggregate=self.aggregate or ("first" if self.type == "categorical" else "count"),
                measure=self.measure,
                property=self.property,
            ),
        )
