"""Re-randomised experiments: the moments, and from them the scorecard, of many replicates of one experiment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.calibration.assignment import arm_sums, assigned_arms
from analysis.calibration.buckets import BucketSums, moment_columns
from analysis.calibration.effects import redrawn_share, scaled
from analysis.periods import analysis_end, window_days
from analysis.scorecard.comparisons import MOMENTS, RATIO_COVARIATE_MOMENTS
from analysis.statistics.registry import SHARE_TYPES
from analysis.statistics.status import Floats
from configs.schema import Epoch, Experiment, Metric

NO_BLOCKS = pd.DataFrame(
    {name: pd.Series(dtype="str") for name in ("experiment_id", "metric_id", "status", "reason")}
).assign(as_of_date=pd.Series(dtype="datetime64[us]"))


@dataclass(frozen=True)
class Units:
    """An experiment's units in buckets: every metric's sums over the same cells, and each cell's allocation epoch."""

    epoch: NDArray[np.intp]
    metrics: Mapping[str, BucketSums] = field(default_factory=dict)

    @property
    def n_cells(self) -> int:
        """Buckets × epochs with units."""
        return len(self.epoch)


def epochs_of(experiment: Experiment) -> tuple[Epoch, ...]:
    """The allocation epochs; a single one if none is declared."""
    weights = {variant.id: variant.weight for variant in experiment.variants}
    return experiment.allocation or (Epoch.model_validate({"from": experiment.start, "weights": weights}),)


def epoch_weights(experiment: Experiment, epoch: NDArray[np.intp]) -> Floats:
    """Each cell's weights (cells, arms), arms in the order of the experiment's variants."""
    table = [[one.weights.get(variant.id, 0.0) for variant in experiment.variants] for one in epochs_of(experiment)]
    return np.array(table)[epoch]


def replicate_ids(experiment: Experiment, replicates: int) -> list[str]:
    """A name for each replicate."""
    return [f"{experiment.id}#{number}" for number in range(replicates)]


def copies(experiment: Experiment, replicates: int) -> dict[str, Experiment]:
    """The experiment under each replicate's name, as one that runs."""
    ids = replicate_ids(experiment, replicates)
    return {id_: experiment.model_copy(update={"id": id_, "status": "running", "segments": ()}) for id_ in ids}


def with_closed_forms(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics without their bootstraps: whole buckets go to arms, so there is nothing below them to resample."""
    return {id_: metric.model_copy(update={"bootstrap": None}) for id_, metric in metrics.items()}


def arrival_days(experiment: Experiment, n_cells: int) -> NDArray[np.intp]:
    """The day of exposure of each cell, from 0: alike many cells a day, in their order, which the hash made random."""
    days = (experiment.end - experiment.start).days + 1
    return np.arange(n_cells) * days // max(n_cells, 1)


def epochs_at(experiment: Experiment, day: NDArray[np.intp]) -> NDArray[np.intp]:
    """The allocation epoch that each day of the experiment, counted from 0, lies in."""
    starts = [(epoch.from_ - experiment.start).days for epoch in epochs_of(experiment)]
    return np.maximum(np.searchsorted(starts, day, side="right") - 1, 0)


def replicated_moments(
    units: Units,
    experiment: Experiment,
    metrics: Mapping[str, Metric],
    rng: np.random.Generator,
    replicates: int,
    effects: Mapping[str, float] | None = None,
    *,
    daily: bool = False,
) -> pd.DataFrame:
    """The rows of fct_metric_moments of `replicates` re-randomisations of the units' buckets.

    Each cell goes to an arm by its epoch's weights, as a whole. `effects` are relative effects by metric that every
    treatment has. Without `daily` there is one as-of date, when all units are mature; with it one for each
    day, cells arriving in their order (`arrival_days`).
    """
    weights = epoch_weights(experiment, units.epoch)
    arms = assigned_arms(rng, weights, replicates)
    step = arrival_days(experiment, units.n_cells) if daily else np.zeros(units.n_cells, dtype=np.intp)
    stacked = [sums.stacked for sums in units.metrics.values()]
    found = arm_sums(arms, len(experiment.variants), np.concatenate(stacked, axis=1), step)
    parts = np.split(found, np.cumsum([one.shape[1] for one in stacked])[:-1], axis=-1)
    end = analysis_end(experiment, metrics)
    days = (end - experiment.start).days + 1
    dates = [experiment.start + timedelta(days=number) for number in range(days)] if daily else [end]
    frames = [
        frame
        for (metric_id, sums), part in zip(units.metrics.items(), parts, strict=True)
        for frame in _metric_rows(
            metrics[metric_id], sums, part, dates, experiment, rng, (effects or {}).get(metric_id, 0.0)
        )
    ]
    return pd.concat(frames, ignore_index=True)


def _metric_rows(
    metric: Metric,
    sums: BucketSums,
    stacked: Floats,
    dates: list[date],
    experiment: Experiment,
    rng: np.random.Generator,
    effect: float,
) -> Iterator[pd.DataFrame]:
    """A frame for each arm and date; `stacked` (days, arms, replicates, sums) holds each day's arrivals."""
    n, *rest = sums.split(stacked)
    ids = replicate_ids(experiment, n.shape[-1])
    for position, variant in enumerate(experiment.variants):
        relative = 0.0 if variant.baseline else effect
        own = (n[:, position], *(one[:, position] for one in rest))
        parts = _with_effect(rng, metric, sums, own, relative)
        columns = moment_columns(sums.values, parts[0], *(np.cumsum(part, axis=0) for part in parts[1:]))
        matured = _matured_days(dates, experiment, metric, len(n)) if len(dates) > 1 else [0]
        for day, at in zip(dates, matured, strict=True):
            if at >= 0:
                yield _frame(columns, int(at), day, variant.id, metric.id, ids)


def _with_effect(
    rng: np.random.Generator, metric: Metric, sums: BucketSums, parts: tuple[Floats, ...], relative: float
) -> tuple[Floats, ...]:
    n, first, second, third = parts
    if relative == 0:
        return sums.centre, n, first, second, third
    if metric.type in SHARE_TYPES:
        return sums.centre, n, *redrawn_share(rng, n, first, second, relative, sums.pooled_mean), third
    centre, first, second, third = scaled(sums.values, sums.centre, first, second, third, relative)
    return centre, n, first, second, third


def _matured_days(dates: list[date], experiment: Experiment, metric: Metric, days: int) -> NDArray[np.intp]:
    """For each as-of date the last day of exposure whose units are mature, -1 before the first."""
    passed = np.array([(day - experiment.start).days for day in dates]) - window_days(metric)
    return np.clip(passed, -1, days - 1).astype(np.intp)


def _frame(
    columns: Mapping[str, Floats], step: int, day: date, variant_id: str, metric_id: str, ids: list[str]
) -> pd.DataFrame:
    found = {name: values[step] for name, values in columns.items()}
    absent = dict.fromkeys([*MOMENTS, *RATIO_COVARIATE_MOMENTS], np.nan)
    known = {"n_overflow": 0.0, "n_not_computed": 0.0}
    return pd.DataFrame(
        {
            "as_of_date": pd.Timestamp(day),
            "experiment_id": ids,
            "segment_name": "all",
            "segment_value": "all",
            "metric_id": metric_id,
            "variant_id": variant_id,
            "last_cohort_date": pd.Timestamp(day),
            "metric_hash": "",
        }
        | absent
        | known
        | found
    )
