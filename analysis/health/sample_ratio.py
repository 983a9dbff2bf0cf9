"""Sample ratio mismatch: of exposed units, of matured units, within segments and allocation epochs."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd

from analysis.health.inputs import HealthInputs
from analysis.health.matured import matured_streams
from analysis.health.ratio_tests import RatioTests, describe_arms, ratio_tests
from analysis.health.thresholds import SAMPLE_RATIO_CONCENTRATION
from analysis.periods import analysis_end
from configs.schema import Experiment, HealthThresholds

Row = dict[str, Any]


def exposed_sample_ratio(inputs: HealthInputs) -> list[Row]:
    """`sample_ratio_mismatch`: exposed units, mixed ones counted under their first variant; or clusters, or blocks."""
    counts = inputs.epoch_counts
    clustered = [one.id for one in inputs.experiments.values() if one.randomised != "units"]
    counts = counts[(counts["segment_name"] == "all") & ~counts["experiment_id"].isin(clustered)]
    if len(inputs.data.cluster_counts):
        counts = pd.concat([counts, inputs.data.cluster_counts[counts.columns]], ignore_index=True)
    counts = counts.assign(units=counts["n_units"] + counts["n_mixed_excluded"])
    tests = ratio_tests(counts, inputs.experiments, SAMPLE_RATIO_CONCENTRATION)
    return _whole_population_rows(inputs, tests, "exposed units", lambda experiment: experiment.end)


def matured_sample_ratio(inputs: HealthInputs) -> list[Row]:
    """`sample_ratio_mismatch_matured`: unmixed units whose longest metric window has passed."""
    counts = matured_streams(inputs)
    tests = ratio_tests(counts, inputs.experiments, SAMPLE_RATIO_CONCENTRATION)
    return _whole_population_rows(
        inputs,
        tests,
        "matured units",
        lambda experiment: analysis_end(experiment, inputs.metrics),
    )


def segment_sample_ratio(inputs: HealthInputs) -> list[Row]:
    """`sample_ratio_mismatch_segment`: exposed units of each segment value; warns."""
    counts = inputs.epoch_counts
    return _part_rows(inputs, counts[counts["segment_name"] != "all"])


def epoch_sample_ratio(inputs: HealthInputs) -> list[Row]:
    """`sample_ratio_mismatch_epoch`: exposed units of each epoch of a changing allocation; warns."""
    changing = [one.id for one in inputs.experiments.values() if len(one.allocation) > 1 or one.bandit is not None]
    counts = inputs.epoch_counts
    counts = counts[(counts["segment_name"] == "all") & counts["experiment_id"].isin(changing)]
    counts = counts.assign(segment_name="epoch", segment_value=counts["epoch"].astype("str"))
    return _part_rows(inputs, counts)


def _whole_population_rows(
    inputs: HealthInputs,
    tests: RatioTests,
    population: str,
    planned_end: Callable[[Experiment], date],
) -> list[Row]:
    """The sequential test at every look, chi-squared at one: the first from the planned end on."""
    final: dict[str, Any] = {}
    rows = []
    for look in tests.rows.itertuples():
        experiment = inputs.experiments[str(look.experiment_id)]
        day = look.as_of_date.date()
        if day >= planned_end(experiment):
            final.setdefault(experiment.id, look)
        if day in inputs.days[experiment.id]:
            counted = population if experiment.randomised == "units" else experiment.randomised
            arms = _describe(tests, look.Index, experiment, counted)
            judged = _judge(inputs.thresholds[experiment.id], look, final.get(experiment.id), arms)
            rows.append({"as_of_date": day, "experiment_id": experiment.id} | judged)
    return rows


def _judge(limits: HealthThresholds, look: Any, final: Any | None, arms: str) -> Row:
    sequential = {
        "statistic": look.log_bf,
        "p_value": look.anytime_p,
        "threshold": limits.sample_ratio_anytime_p,
    }
    shown = final if final is not None else look
    pearson = {
        "statistic": shown.chi_squared,
        "p_value": shown.chi_squared_p,
        "threshold": limits.sample_ratio_final_p if final is not None else limits.sample_ratio_note_p,
    }
    once = f"χ² {shown.chi_squared:.4g}, p {shown.chi_squared_p:.4g}"
    anytime = f"sequential p {look.anytime_p:.4g}, fails below {limits.sample_ratio_anytime_p:g}"
    if final is not None and final.chi_squared_p < limits.sample_ratio_final_p:
        message = f"{arms}: at the planned end {once}, fails below {limits.sample_ratio_final_p:g}; {anytime}"
        return {"severity": "error", "passed": False, "message": message} | pearson
    if look.anytime_p < limits.sample_ratio_anytime_p:
        return {"severity": "error", "passed": False, "message": f"{arms}: {anytime}"} | sequential
    if shown.chi_squared_p < limits.sample_ratio_note_p:
        message = (
            f"{arms}: passes, with a note: {once}, below {limits.sample_ratio_note_p:g} but not failing"
            f" (at the planned end it fails below {limits.sample_ratio_final_p:g}); {anytime}"
        )
        return {"severity": "note", "passed": True, "message": message} | pearson
    message = f"{arms}: {anytime}" + (f"; at the planned end {once}" if final is not None else "")
    return {"severity": "error", "passed": True, "message": message} | (pearson if final is not None else sequential)


def _part_rows(inputs: HealthInputs, counts: pd.DataFrame) -> list[Row]:
    """The sequential test of every part; the parts of an experiment share its threshold."""
    counts = counts.assign(units=counts["n_units"] + counts["n_mixed_excluded"])
    tests = ratio_tests(counts, inputs.experiments, SAMPLE_RATIO_CONCENTRATION)
    parts = tests.rows.groupby(["experiment_id", "as_of_date"])["anytime_p"].transform("size").to_numpy()
    rows = []
    for look, n_parts in zip(tests.rows.itertuples(), parts, strict=True):
        experiment = inputs.experiments[str(look.experiment_id)]
        day = look.as_of_date.date()
        if day not in inputs.days[experiment.id]:
            continue
        threshold = inputs.thresholds[experiment.id].sample_ratio_anytime_p / n_parts
        arms = _describe(tests, look.Index, experiment, f"{look.segment_name} {look.segment_value}")
        rows.append(
            {
                "as_of_date": day,
                "experiment_id": experiment.id,
                "segment_name": look.segment_name,
                "segment_value": look.segment_value,
                "severity": "warning",
                "passed": not look.anytime_p < threshold,
                "statistic": look.log_bf,
                "p_value": look.anytime_p,
                "threshold": threshold,
                "message": f"{arms}: sequential p {look.anytime_p:.4g}, warns below {threshold:.2g}",
            }
        )
    return rows


def _describe(tests: RatioTests, row: int, experiment: Experiment, population: str) -> str:
    observed = tests.observed[row]
    if observed.sum() == 0:
        return f"no {population} yet"
    return f"{population}: {describe_arms(experiment, observed, tests.expected[row])}"
