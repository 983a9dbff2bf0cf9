"""The model of `experiments/<id>.yaml`: variants, how units get them, metrics and their roles, design and decision."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

from configs.analysis_schema import Analysis
from configs.design_schema import Bandit, Cluster, Switchback
from configs.entity import Entity, Identifier, Probability, VariantId
from configs.factors import cells, check_factors, check_fraction
from configs.health_schema import HealthThresholds
from configs.population_schema import HeldOut, Trigger
from configs.quasi_schema import (
    QUASI_TYPES,
    QuasiBlocks,
)

_NO_PLAN = date(2200, 1, 1)
"""Whoever writes a date like 9999-12-31 means none; calendars are not made that long."""

ANALYSED_STATUSES = frozenset({"running", "paused", "stopped", "rolling_out", "shipped", "rolled_back", "archived"})


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


class Hashing(Entity):
    """How units are assigned: the first 8 hexadecimal digits of a digest of salt and unit id, modulo `buckets`.

    Variants take the buckets in turn, in the order listed, by their weights.
    """

    salt: str = Field(
        min_length=1, description="Put before the unit id as it is: with its separator, where there is one."
    )
    buckets: int = Field(10_000, ge=2, le=2**31)
    algorithm: Literal["md5", "sha256"] = "md5"


class Trends(Entity):
    """Over how many days since exposure effects are followed, by units that have been exposed for all of them."""

    days: int = Field(14, ge=3, le=42, description="From 14 on the last week is compared with the first.")


class Decision(Entity):
    """How results become a recommendation."""

    rule: Literal["risk_aware", "clear_signals", "do_no_harm"] = "risk_aware"
    margins: tuple[Guardrail, ...] = Field((), description="Of do_no_harm: the margin of each primary metric.")


_COMPARED = (Variant(id="control", weight=0.5, baseline=True), Variant(id="treated", weight=0.5))
"""The variants of a quasi-experiment: those that the change did not reach, and those that it did."""


def _implied_variants(given: dict[str, Any]) -> tuple[Variant, ...]:
    """The cells of the factors, with weights alike, the baseline being where every factor is at its first level."""
    if given.get("type") in QUASI_TYPES:
        return _COMPARED
    found = cells(given["factors"], given["fraction"]) if given["factors"] else {}
    return tuple(Variant(id=id_, weight=1 / len(found), baseline=not any(levels)) for id_, levels in found.items())


class Experiment(QuasiBlocks):
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
    factors: dict[Identifier, tuple[VariantId, ...]] = Field(
        default_factory=dict, description="Factor to its levels, the baseline's first; cells are variants: red-large."
    )
    fraction: tuple[str, ...] = Field(
        (), description="Generators of a fraction of the cells, such as speed = price*badge.", validate_default=True
    )
    interactions: tuple[tuple[Identifier, ...], ...] = Field(
        (), description="Interactions to report, as lists of factors. Default: every pair."
    )
    variants: tuple[Variant, ...] = Field(
        default_factory=_implied_variants,
        validate_default=True,
        json_schema_extra={"minItems": 2},
        description="Default: the cells of `factors`; of a quasi-experiment control and treated.",
    )
    allocation: tuple[Epoch, ...] = ()
    exclusion_group: Identifier | None = Field(None, description="One of the project's `exclusion_groups`.")
    holdouts: tuple[Identifier, ...] = Field(
        (), description="Experiments of type holdout whose held-out units are no units of this one."
    )
    held_out: tuple[HeldOut, ...] = Field((), description="Taken from `holdouts`; what pinned configurations hold.")
    trigger: Trigger | None = Field(None, description="Restricts the population to units that had an event.")
    segments: tuple[Identifier, ...] = ()
    preregistered_segments: tuple[Identifier, ...] = Field(
        (), description="Those of `segments` whose results were planned: not marked exploratory."
    )
    segment_pairs: tuple[tuple[Identifier, Identifier], ...] = Field(
        (), description="Pairs of `segments` whose combinations are compared as well, to tell which of the two matters."
    )
    trends: Trends | None = Field(None, description="Declared: whether effects fade or grow with days since exposure.")
    metrics: ExperimentMetrics
    analysis: Analysis = Analysis()
    decision: Decision = Decision()
    bandit: Bandit | None = Field(None, description="Of type bandit: how units are allocated anew each day.")
    cluster: Cluster | None = Field(None, description="Declared: clusters of units were randomised, not units.")
    switchback: Switchback | None = Field(None, description="Of type switchback: its periods, blocks and markets.")
    hashing: Hashing | None = Field(None, description="Declared: logged variants are compared with recomputed ones.")
    health: HealthThresholds = Field(HealthThresholds(), description="Thresholds that differ from the project's.")

    @field_validator("factors")
    @classmethod
    def _can_be_crossed(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        check_factors(value)
        return value

    @field_validator("fraction")
    @classmethod
    def _is_a_fraction(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "factors" in info.data:
            check_fraction(info.data["factors"], value)
        return value

    @field_validator("variants")
    @classmethod
    def _are_several(cls, value: tuple[Variant, ...]) -> tuple[Variant, ...]:
        if not value:
            raise PydanticKnownError("missing")
        if len(value) == 1:
            raise PydanticKnownError("too_short", {"field_type": "Tuple", "min_length": 2, "actual_length": 1})
        return value

    @field_validator("end")
    @classmethod
    def _is_a_plan(cls, value: date) -> date:
        if value >= _NO_PLAN:
            raise ValueError(f"{value} is no day to plan for; give the planned last day, and move it when plans change")
        return value

    @property
    def metric_ids(self) -> tuple[str, ...]:
        """Every metric that is computed: those with a role, and those that the design needs."""
        return tuple(dict.fromkeys((*self.metrics.roles, *(self.design.metrics if self.design else ()))))

    @property
    def is_analysed(self) -> bool:
        """Whether the daily run computes results: status running or later."""
        return self.status in ANALYSED_STATUSES

    @property
    def baseline(self) -> Variant:
        """The variant that the others are compared with."""
        return next(variant for variant in self.variants if variant.baseline)

    @property
    def margins(self) -> dict[str, Guardrail]:
        """Metric id to the margin it is held to: of guardrails, and of the goals of do_no_harm."""
        return {margin.metric: margin for margin in (*self.metrics.guardrail, *self.decision.margins)}

    @property
    def segment_names(self) -> tuple[str, ...]:
        """Every dimension of segments as the tables name it: attributes, and pairs as `country, device`."""
        return (*self.segments, *(", ".join(pair) for pair in self.segment_pairs))

    @property
    def strata(self) -> tuple[str, ...]:
        """Attributes whose values make the strata of post-stratification; none under another adjustment."""
        if self.analysis.adjustment != "post_stratification":
            return ()
        return self.analysis.strata or self.segments

    @property
    def everyone_id(self) -> str:
        """The id under which all its units are kept, where a trigger restricts them; no experiment can have it."""
        return f"{self.id}/everyone"

    @property
    def changes_weights(self) -> bool:
        """Whether epochs have different weights, so that arms differ in when their units came."""
        return len({tuple(sorted(epoch.weights.items())) for epoch in self.allocation}) > 1

    @property
    def grouping(self) -> tuple[str, ...]:
        """Attributes by whose values units' sums are kept apart: strata, or clusters."""
        return self.strata if self.cluster is None else (self.cluster.attribute,)

    @property
    def compares_units(self) -> bool:
        """Whether arms are made of units split one by one, by weights that hold: what most tests take for granted."""
        return self.bandit is None and self.randomised == "units"

    @property
    def follows_units(self) -> bool:
        """Whether units are followed from their first exposure on: quasi-experiments and switchbacks count by time."""
        return not self.is_quasi and self.switchback is None

    @property
    def randomised(self) -> Literal["units", "clusters", "blocks"]:
        """What variants were drawn for."""
        if self.switchback is not None:
            return "blocks"
        return "units" if self.cluster is None else "clusters"

    @property
    def treatments(self) -> tuple[Variant, ...]:
        """Every variant but the baseline, as listed."""
        return tuple(variant for variant in self.variants if not variant.baseline)
