"""The models of `metrics/*.yaml`. Import them from `configs.schema`."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from configs.entity import Entity, Identifier, Probability

Aggregate = Literal["sum", "count", "max", "count_distinct"]
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


def _check_measure(aggregate: Aggregate, measure: str | None) -> None:
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

    @model_validator(mode="after")
    def _measure_fits_aggregate(self) -> "Component":
        _check_measure(self.aggregate, self.measure)
        return self


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


class Covariate(Entity):
    """The same aggregate over the whole days before the exposure's date (CUPED)."""

    lookback_days: int = Field(ge=1, le=90)


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
    type: Literal["proportion", "mean", "ratio", "quantile", "retention"]
    source: Identifier | None = None
    event: Annotated[str, StringConstraints(min_length=1)] | None = None
    where: tuple[Condition, ...] = ()
    aggregate: Aggregate | None = None
    measure: Identifier | None = None
    numerator: Component | None = None
    denominator: Component | None = None
    quantile: Probability | None = None
    window: Window | None = None
    cap: Cap | None = None
    covariate: Covariate | None = None
    bootstrap: Bootstrap | None = None
    direction: Literal["increase", "decrease"] = "increase"

    @model_validator(mode="after")
    def _fields_fit_type(self) -> "Metric":
        if (self.type == "quantile") != (self.quantile is not None):
            raise ValueError("`quantile` goes with type quantile, and only there")
        if self.type == "ratio":
            self._check_ratio()
        else:
            self._check_single_component()
        if self.bootstrap is not None:
            self._check_bootstrap()
        return self

    def _check_ratio(self) -> None:
        own = ("source", "event", "where", "aggregate", "measure")
        given = [name for name in own if getattr(self, name)]
        if given:
            raise ValueError(f"a ratio takes numerator and denominator, not {', '.join(given)}")
        if self.numerator is None or self.denominator is None:
            raise ValueError("a ratio needs `numerator` and `denominator`")
        if self.numerator == self.denominator:
            raise ValueError("numerator and denominator are the same, so the ratio is always 1")

    def _check_single_component(self) -> None:
        if self.numerator is not None or self.denominator is not None:
            raise ValueError(f"`numerator` and `denominator` belong to type ratio, not {self.type}")
        if self.source is None or self.event is None:
            raise ValueError(f"a {self.type} needs `source` and `event`")
        if self.type == "mean" and self.aggregate is None:
            raise ValueError("a mean needs `aggregate`: sum, count or max")
        if self.type in ("proportion", "retention"):
            if self.aggregate not in (None, "count") or self.measure is not None:
                raise ValueError(f"a {self.type} asks whether the event happened: no aggregate, no measure")
            if self.cap is not None:
                raise ValueError(f"a {self.type} is 0 or 1: no `cap`")
        elif self.aggregate is not None:
            _check_measure(self.aggregate, self.measure)
        if self.type == "quantile":
            self._check_quantile()
        if self.type == "retention" and not self._has_full_window():
            raise ValueError("a retention needs `window` with both start_days and end_days")

    def _check_quantile(self) -> None:
        if self.aggregate is None:
            raise ValueError("a quantile needs `aggregate`: sum, count or max")
        if self.cap is not None:
            raise ValueError("a quantile needs no `cap`: how large the largest values are makes no difference to it")
        if self.covariate is not None:
            raise ValueError("a quantile takes no `covariate`: adjustment is of means and ratios")

    def _check_bootstrap(self) -> None:
        if self.type == "quantile":
            raise ValueError("a quantile takes no `bootstrap`: it is no function of sums, and has exact intervals")
        if self.covariate is not None:
            raise ValueError("`bootstrap` is of unadjusted values: drop `covariate`, or make it a metric of its own")

    def _has_full_window(self) -> bool:
        return self.window is not None and "start_days" in self.window.model_fields_set

    @property
    def components(self) -> tuple[Component, ...]:
        """The numerator and denominator of a ratio, the single component of any other metric."""
        if self.numerator is not None and self.denominator is not None:
            return (self.numerator, self.denominator)
        return (
            Component(
                source=self.source or "",
                event=self.event or "",
                where=self.where,
                aggregate=self.aggregate or "count",
                measure=self.measure,
            ),
        )
