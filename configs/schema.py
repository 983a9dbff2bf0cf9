"""The models of a team's configuration: project, sources, metrics, experiments.

Field names are the YAML keys. A model checks one entity on its own; what spans entities or files
(a metric's source, an experiment's metrics) is checked by `configs.load`.
"""

from collections.abc import Mapping
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationInfo, field_validator

from configs.analysis_schema import AlwaysValid, Analysis, Bayesian, Correction, Equivalence, GroupSequential, Spending
from configs.covariates import with_resolved_covariates
from configs.design_schema import Bandit, Cluster, Switchback, TargetPolicy
from configs.entity import ColumnName, Entity, Identifier, Probability, VariantId
from configs.experiment_schema import (
    ANALYSED_STATUSES,
    Decision,
    Epoch,
    Experiment,
    ExperimentMetrics,
    Guardrail,
    Hashing,
    Hypothesis,
    Prediction,
    Trends,
    Variant,
)
from configs.health_schema import HealthThresholds
from configs.metric_schema import (
    Aggregate,
    Bootstrap,
    Cap,
    Component,
    Condition,
    Covariate,
    FurtherCovariate,
    Metric,
    Scalar,
    Window,
)
from configs.population_schema import DILUTABLE, HeldOut, Trigger
from configs.publish_schema import PostgresResults, Publish, StoredResults
from configs.quasi_schema import (
    DifferenceInDifferences,
    InterruptedTimeSeries,
    Matched,
    RegressionDiscontinuity,
)
from configs.retention_schema import Retention
from configs.source_schema import (
    EventColumns,
    EventSource,
    ExposureColumns,
    ExposureSource,
    Format,
    Measure,
    Source,
    Sources,
    UnitColumns,
    UnitSource,
)

__all__ = [
    "ANALYSED_STATUSES",
    "DILUTABLE",
    "Aggregate",
    "AlwaysValid",
    "Analysis",
    "Bandit",
    "Bayesian",
    "Bootstrap",
    "Cap",
    "Cluster",
    "ColumnName",
    "Component",
    "Condition",
    "Config",
    "Correction",
    "Covariate",
    "Decision",
    "DifferenceInDifferences",
    "Entity",
    "Epoch",
    "Equivalence",
    "EventColumns",
    "EventSource",
    "Experiment",
    "ExperimentMetrics",
    "ExposureColumns",
    "ExposureSource",
    "Format",
    "FurtherCovariate",
    "GroupSequential",
    "Guardrail",
    "Hashing",
    "HealthThresholds",
    "HeldOut",
    "Hypothesis",
    "Identifier",
    "InterruptedTimeSeries",
    "Matched",
    "Measure",
    "Metric",
    "Overlaps",
    "PostgresResults",
    "Prediction",
    "Probability",
    "Project",
    "Publish",
    "RegressionDiscontinuity",
    "Retention",
    "Scalar",
    "Source",
    "Sources",
    "Spending",
    "StoredResults",
    "Switchback",
    "TargetPolicy",
    "Trends",
    "Trigger",
    "UnitColumns",
    "UnitSource",
    "Variant",
    "VariantId",
    "Window",
]


class Overlaps(Entity):
    """Whether effects of experiments that share units depend on each other is asked of all pairs that run."""

    minimum_shared_units: int = Field(1000, ge=20, description="Pairs that share fewer units are not tested.")


class Project(Entity):
    """`project.yaml`."""

    name: Identifier
    timezone: str = Field("UTC", description="IANA name; day boundaries are this zone's midnights.")
    late_arrival_days: int = Field(3, ge=0, le=30, description="A row older than this is quarantined.")
    history_start: date = Field(description="First log date of the lake.")
    health: HealthThresholds = Field(HealthThresholds(), description="Thresholds of every experiment's health checks.")
    exclusion_groups: tuple[Identifier, ...] = Field(
        (), description="Groups of experiments that share no units while they run."
    )
    overlaps: Overlaps | None = Field(
        None, description="Declared: pairs of running experiments are tested for interaction."
    )
    publish: Publish = Field(Publish(), description="Where results are sent, beside the state folder.")
    retention: Retention | None = Field(None, description="Declared: Dagster's records are pruned every night.")

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"unknown timezone {value!r}; use an IANA name such as Europe/Berlin") from error
        return value


def held_out_units(experiment: Experiment, experiments: Mapping[str, Experiment]) -> tuple[HeldOut, ...]:
    """The units of each of its holdouts' baselines, or what is written."""
    found = (experiments[id_] for id_ in sorted(experiment.holdouts) if id_ in experiments)
    own = (HeldOut(experiment=one.id, variant=one.baseline.id, since=one.start, until=one.end) for one in found)
    return tuple(own) or experiment.held_out


class Config(Entity):
    """Everything a team edits, cross-checked by `configs.load`."""

    project: Project
    sources: Sources
    metrics: dict[str, Metric]
    experiments: dict[str, Experiment]

    @field_validator("metrics")
    @classmethod
    def _resolve_covariates(cls, metrics: dict[str, Metric]) -> dict[str, Metric]:
        return with_resolved_covariates(metrics)

    @field_validator("experiments")
    @classmethod
    def _resolve_holdouts(cls, experiments: dict[str, Experiment]) -> dict[str, Experiment]:
        return {
            id_: experiment.model_copy(update={"held_out": held_out_units(experiment, experiments)})
            if experiment.holdouts
            else experiment
            for id_, experiment in experiments.items()
        }

    @field_validator("experiments")
    @classmethod
    def _default_exposure_source(
        cls, experiments: dict[str, Experiment], info: ValidationInfo
    ) -> dict[str, Experiment]:
        sources: Sources | None = info.data.get("sources")
        if sources is None:
            return experiments
        default = {"exposure_source": min(source.id for source in sources.exposures)}
        is_only = len(sources.exposures) == 1
        return {
            id_: experiment.model_copy(update=default)
            if not experiment.exposure_source and (is_only or experiment.is_quasi)
            else experiment
            for id_, experiment in experiments.items()
        }
