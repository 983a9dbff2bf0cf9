"""The models of a team's configuration: project, sources, metrics, experiments.

Field names are the YAML keys. A model checks one entity on its own; what spans entities or files
(a metric's source, an experiment's metrics) is checked by `configs.load`.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)


def _not_reserved(name: str) -> str:
    if name == "all":
        raise ValueError("'all' is reserved: in the results it stands for the whole population")
    return name


Identifier = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=63),
    AfterValidator(_not_reserved),
]
VariantId = Annotated[str, StringConstraints(min_length=1, max_length=127), AfterValidator(_not_reserved)]
ColumnName = Annotated[str, StringConstraints(min_length=1)]
Probability = Annotated[float, Field(gt=0, lt=1)]

ANALYSED_STATUSES = frozenset({"running", "paused", "stopped", "rolling_out", "shipped", "rolled_back", "archived"})


class Entity(BaseModel):
    """Base of every model: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


class Project(Entity):
    """`project.yaml`."""

    name: Identifier
    timezone: str = Field("UTC", description="IANA name; day boundaries are this zone's midnights.")
    late_arrival_days: int = Field(3, ge=0, le=30, description="A row older than this is quarantined.")
    history_start: date = Field(description="First log date of the lake.")

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown timezone {value!r}; use an IANA name such as Europe/Berlin") from error
        return value


Format = Literal["parquet", "csv", "jsonl"]


class Source(Entity):
    """What every log source has."""

    id: Identifier
    path: str = Field(min_length=1, description="Relative to the data root; takes {date} and globs.")
    format: Format
    allow_empty_days: bool = Field(False, description="A day without a file is empty, not missing.")


class ExposureColumns(Entity):
    """Which columns of an exposure log hold the required fields."""

    unit_id: ColumnName
    experiment_id: ColumnName
    variant_id: ColumnName
    exposed_at: ColumnName


class ExposureSource(Source):
    """A log of units exposed to variants."""

    columns: ExposureColumns
    attributes: tuple[Identifier, ...] = Field((), description="Kept at first exposure; usable as segments.")


class EventColumns(Entity):
    """Which columns of an event log hold the required fields; without event_id whole rows are compared."""

    event_id: ColumnName | None = None
    unit_id: ColumnName
    event_name: ColumnName
    occurred_at: ColumnName


class Measure(Entity):
    """A number carried by events, stored as the integer round(value * 10**decimals)."""

    column: ColumnName
    unit: str = ""
    decimals: int = Field(2, ge=0, le=12)


class EventSource(Source):
    """A log of what units did."""

    columns: EventColumns
    measures: dict[Identifier, Measure] = Field(default_factory=dict)
    properties: tuple[Identifier, ...] = Field((), description="Text columns usable in `where`.")


class UnitColumns(Entity):
    """Which columns of a unit table hold the required fields."""

    unit_id: ColumnName
    valid_from: ColumnName


class UnitSource(Source):
    """Attributes of units from another table, as of exposure."""

    columns: UnitColumns
    attributes: tuple[Identifier, ...] = Field(min_length=1)


class Sources(Entity):
    """`sources.yaml`."""

    exposures: tuple[ExposureSource, ...] = Field(min_length=1)
    events: tuple[EventSource, ...] = ()
    units: tuple[UnitSource, ...] = ()


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
    direction: Literal["increase", "decrease"] = "increase"

    @model_validator(mode="after")
    def _fields_fit_type(self) -> "Metric":
        if (self.type == "quantile") != (self.quantile is not None):
            raise ValueError("`quantile` goes with type quantile, and only there")
        if self.type == "ratio":
            self._check_ratio()
        else:
            self._check_single_component()
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
        if self.type == "retention" and not self._has_full_window():
            raise ValueError("a retention needs `window` with both start_days and end_days")

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


class Variant(Entity):
    """An arm of an experiment."""

    id: VariantId
    weight: float = Field(ge=0, le=1)
    baseline: bool = False


class Epoch(Entity):
    """Weights in force from a date on."""

    from_: date = Field(alias="from")
    weights: dict[VariantId, Annotated[float, Field(ge=0, le=1)]]


class Prediction(Entity):
    """What the owner expects; `probability` is that the effect has the stated direction."""

    metric: Identifier
    relative_effect: float
    probability: Probability

    @field_validator("relative_effect")
    @classmethod
    def _has_direction(cls, value: float) -> float:
        if value == 0:
            raise ValueError("must not be 0: `probability` is that the effect has this sign")
        return value


class Hypothesis(Entity):
    """What is believed before the experiment, kept to learn from afterwards."""

    statement: str
    predictions: tuple[Prediction, ...] = ()


class Guardrail(Entity):
    """A metric that must not get worse by more than a margin: relative, absolute, or up to a level."""

    metric: Identifier
    non_inferiority_margin: Annotated[float, Field(gt=0, lt=1)] | None = None
    absolute_margin: Annotated[float, Field(gt=0)] | None = None
    level: float | None = None

    @model_validator(mode="after")
    def _exactly_one_margin(self) -> "Guardrail":
        margins = ("non_inferiority_margin", "absolute_margin", "level")
        given = [name for name in margins if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a guardrail needs exactly one of {', '.join(margins)}; got {', '.join(given) or 'none'}")
        return self


class ExperimentMetrics(Entity):
    """Which metrics decide, inform and guard."""

    primary: tuple[Identifier, ...] = Field(min_length=1)
    secondary: tuple[Identifier, ...] = ()
    guardrail: tuple[Guardrail, ...] = ()

    @property
    def roles(self) -> dict[str, str]:
        """Metric id to its role: primary, secondary or guardrail."""
        return (
            dict.fromkeys(self.primary, "primary")
            | dict.fromkeys(self.secondary, "secondary")
            | {guardrail.metric: "guardrail" for guardrail in self.guardrail}
        )


class Analysis(Entity):
    """How an experiment is analysed."""

    method: Literal["fixed", "always_valid", "group_sequential", "bayesian"] = "fixed"
    alpha: Probability = 0.05
    power: Probability = 0.8
    correction: Literal["none", "bonferroni", "holm", "benjamini_hochberg"] = "holm"
    covariate_adjustment: bool = True
    minimum_days: int = Field(7, ge=0)
    minimum_units: int = Field(1000, ge=2, description="Matured units per variant.")
    minimum_detectable_effect: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Relative; the planning effect of the power gate. Absent: no gate."
    )


class Decision(Entity):
    """How results become a recommendation."""

    rule: Literal["risk_aware", "clear_signals", "do_no_harm"] = "risk_aware"


class Experiment(Entity):
    """`experiments/<id>.yaml`."""

    id: Identifier
    name: str = ""
    owner: str = ""
    team: str = ""
    status: Literal[
        "draft",
        "in_review",
        "approved",
        "scheduled",
        "running",
        "paused",
        "stopped",
        "rolling_out",
        "shipped",
        "rolled_back",
        "archived",
    ] = "running"
    type: Literal[
        "ab",
        "multivariate",
        "rollout",
        "holdout",
        "switchback",
        "bandit",
        "difference_in_differences",
        "regression_discontinuity",
        "interrupted_time_series",
        "matched",
    ] = "ab"
    hypothesis: Hypothesis | None = None
    start: date
    end: date
    exposure_source: Identifier | None = Field(None, description="Default: the only exposure source.")
    variants: tuple[Variant, ...] = Field(min_length=2)
    allocation: tuple[Epoch, ...] = ()
    segments: tuple[Identifier, ...] = ()
    metrics: ExperimentMetrics
    analysis: Analysis = Analysis()
    decision: Decision = Decision()

    @property
    def is_analysed(self) -> bool:
        """Whether the daily run computes results: status running or later."""
        return self.status in ANALYSED_STATUSES

    @property
    def baseline(self) -> Variant:
        """The variant that the others are compared with."""
        return next(variant for variant in self.variants if variant.baseline)

    @property
    def treatments(self) -> tuple[Variant, ...]:
        """Every variant but the baseline, as listed."""
        return tuple(variant for variant in self.variants if not variant.baseline)


class Config(Entity):
    """Everything a team edits, cross-checked by `configs.load`."""

    project: Project
    sources: Sources
    metrics: dict[str, Metric]
    experiments: dict[str, Experiment]

    @field_validator("experiments")
    @classmethod
    def _default_exposure_source(
        cls, experiments: dict[str, Experiment], info: ValidationInfo
    ) -> dict[str, Experiment]:
        sources: Sources | None = info.data.get("sources")
        if sources is None or len(sources.exposures) != 1:
            return experiments
        default = {"exposure_source": sources.exposures[0].id}
        return {
            id_: experiment if experiment.exposure_source else experiment.model_copy(update=default)
            for id_, experiment in experiments.items()
        }
