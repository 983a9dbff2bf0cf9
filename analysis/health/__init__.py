"""Health checks: whether an experiment's data can carry a decision.

A check is a function from `HealthInputs` to rows; name one in CHECKS and it is computed, published and gates
decisions. `severity` says how grave a failure is: `error` makes the experiment invalid, `warning` asks
for a look, `note` marks a pass worth knowing of.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd

from analysis.completeness import SourceDays
from analysis.health.amount_units import amount_units
from analysis.health.assignment import assignment_integrity
from analysis.health.block_arms import block_arms
from analysis.health.bots import bots
from analysis.health.carry_over import carry_over
from analysis.health.definition_change import definition_changed
from analysis.health.event_coverage import event_loss, no_events
from analysis.health.exclusion import shared_units
from analysis.health.exposure_rows import exposures_outside_period, refused_exposures, unknown_variants
from analysis.health.exposures import mixed_exposures, no_exposures
from analysis.health.imbalance import pre_exposure_imbalance
from analysis.health.inputs import HealthData, HealthInputs, health_frame, make_looks
from analysis.health.level_jump import metric_level_jump
from analysis.health.log_days import log_anomalies, metric_freshness
from analysis.health.missing_data import missing_data
from analysis.health.outliers import capped_to_zero, outlier_dominance
from analysis.health.propensities import logged_propensities
from analysis.health.sample_ratio import (
    epoch_sample_ratio,
    exposed_sample_ratio,
    matured_sample_ratio,
    segment_sample_ratio,
)
from analysis.health.thresholds import thresholds_by_experiment
from analysis.periods import analysed_days, as_days
from configs.schema import Experiment, Metric, Project

__all__ = ["CHECKS", "HealthData", "health_checks"]

CHECKS: dict[str, Callable[[HealthInputs], pd.DataFrame | list[dict[str, Any]]]] = {
    "sample_ratio_mismatch": exposed_sample_ratio,
    "sample_ratio_mismatch_matured": matured_sample_ratio,
    "sample_ratio_mismatch_segment": segment_sample_ratio,
    "sample_ratio_mismatch_epoch": epoch_sample_ratio,
    "mixed_exposures": mixed_exposures,
    "block_arms": block_arms,
    "logged_propensities": logged_propensities,
    "no_exposures": no_exposures,
    "unknown_variants": unknown_variants,
    "refused_exposures": refused_exposures,
    "exposures_outside_period": exposures_outside_period,
    "assignment_integrity": assignment_integrity,
    "no_events": no_events,
    "event_loss": event_loss,
    "pre_exposure_imbalance": pre_exposure_imbalance,
    "carry_over": carry_over,
    "exclusion_group": shared_units,
    "bots": bots,
    "amount_units": amount_units,
    "definition_changed": definition_changed,
    "outlier_dominance": outlier_dominance,
    "capped_to_zero": capped_to_zero,
    "metric_level_jump": metric_level_jump,
    "missing_data": missing_data,
    "metric_freshness": metric_freshness,
    "log_anomalies": log_anomalies,
}
OF_UNITS = frozenset(
    {
        *("sample_ratio_mismatch_matured", "sample_ratio_mismatch_segment", "sample_ratio_mismatch_epoch"),
        *("mixed_exposures", "assignment_integrity", "event_loss", "pre_exposure_imbalance", "carry_over"),
    }
)
"""Checks that compare arms by units as if each had been randomised: where clusters or blocks were there are none."""
NOT_OF_SWITCHBACKS = {
    "mixed_exposures": "not tested: units of a switchback see both variants, as it is switched",
    "event_loss": "not tested: a switchback has no arms of units that could lose events; blocks are compared",
    "carry_over": "not tested: no unit of a switchback keeps a variant; its own carryover is washed out",
}

KEYS = ("experiment_id", "segment_name", "segment_value", "variant_id", "metric_id")


def health_checks(
    data: HealthData,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    project: Project,
    as_of_dates: Iterable[date],
) -> pd.DataFrame:
    """Every check of every analysed experiment at each of `as_of_dates`, sorted.

    `data` holds every as-of date so far: sequential tests remember earlier looks. Returns `as_of_date, experiment_id,
    check_name, segment_name, segment_value, severity, passed, statistic, p_value, threshold, message`.
    """
    dates = tuple(as_of_dates)
    # Not tuples: that a day is among them is asked for every row.
    days = {one.id: dict.fromkeys(analysed_days(one, metrics, dates)) for one in experiments.values()}
    own = data.of(experiments)
    inputs = HealthInputs(
        data=replace(own, epoch_counts=_with_unexposed_days(own.epoch_counts, experiments, days)),
        source_days=SourceDays(data.source_days),
        experiments=experiments,
        metrics=metrics,
        project=project,
        days=days,
        looks=make_looks(days),
        thresholds=thresholds_by_experiment(project, experiments),
    )
    frames = [health_frame(check(inputs)).assign(check_name=name) for name, check in CHECKS.items()]
    frame = health_frame(pd.concat(frames, ignore_index=True))
    others = [one.id for one in experiments.values() if one.randomised != "units"]
    frame = frame[~(frame["experiment_id"].isin(others) & frame["check_name"].isin(OF_UNITS))]
    frame = health_frame(pd.concat([frame, health_frame(_not_of_switchbacks(inputs))], ignore_index=True))
    order = ["as_of_date", "experiment_id", "check_name", "segment_name", "segment_value"]
    return frame.sort_values(order, ignore_index=True)


def _not_of_switchbacks(inputs: HealthInputs) -> list[dict[str, Any]]:
    """What is asked of every experiment and has no answer for a switchback: said, so that nobody looks for it."""
    return [
        {
            "as_of_date": day,
            "experiment_id": id_,
            "check_name": name,
            "severity": "note",
            "passed": True,
            "message": text,
        }
        for id_, experiment in inputs.experiments.items()
        if experiment.switchback is not None
        for day in inputs.days[id_]
        for name, text in NOT_OF_SWITCHBACKS.items()
    ]


def _with_unexposed_days(
    epoch_counts: pd.DataFrame, experiments: Mapping[str, Experiment], days: Mapping[str, Collection[date]]
) -> pd.DataFrame:
    """Zero counts for the as-of dates to report on which nothing has been exposed yet."""
    looks = epoch_counts[["experiment_id", "as_of_date"]].drop_duplicates()
    seen = set(zip(looks["experiment_id"], looks["as_of_date"].dt.date, strict=True))
    rows = [
        (day, id_, "all", "all", 1, variant.id, 0, 0, variant.weight)
        for id_, reported in days.items()
        for day in reported
        if (id_, day) not in seen
        for variant in experiments[id_].variants
    ]
    columns = ["as_of_date", "experiment_id", "segment_name", "segment_value", "epoch", "variant_id"]
    columns += ["n_units", "n_mixed_excluded", "weight"]
    unexposed = pd.DataFrame(rows, columns=columns)
    unexposed["as_of_date"] = as_days(unexposed["as_of_date"])
    types = dict.fromkeys(KEYS[:4], "str") | {
        "n_units": "int64",
        "n_mixed_excluded": "int64",
        "weight": "float64",
    }
    return pd.concat([epoch_counts[columns], unexposed], ignore_index=True).astype(types)
