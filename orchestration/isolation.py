"""One experiment, or one metric of it, never stops another: what raises is computed apart and leaves a reason."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import pandas as pd

from configs.schema import Experiment

Experiments = Mapping[str, Experiment]
Reasons = dict[str, str]
"""Why each of several could not be computed, by id."""
Result = TypeVar("Result")


def isolated(experiments: Experiments, compute: Callable[[Experiments], pd.DataFrame]) -> tuple[pd.DataFrame, Reasons]:
    """Compute all experiments at once; if that fails, one at a time, so that only the culprits are missing.

    Returns the rows, and for each culprit what went wrong.
    """
    frames, failures = isolated_parts(experiments, compute)
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True), failures


def isolated_parts(experiments: Experiments, compute: Callable[[Experiments], Result]) -> tuple[list[Result], Reasons]:
    """`isolated` of what is no frame: one part where all could be computed at once, else one for each that could."""
    try:
        return [compute(experiments)], {}
    except Exception:  # noqa: BLE001 - whatever one experiment provokes must not reach the others
        parts, failures = [compute({})], {}
    for experiment_id, experiment in experiments.items():
        try:
            parts.append(compute({experiment_id: experiment}))
        except Exception as error:  # noqa: BLE001
            failures[experiment_id] = failure(error)
    return parts, failures


def without_failing_metrics(
    metric_ids: Iterable[str], compute: Callable[[Reasons], pd.DataFrame], reason: str
) -> tuple[pd.DataFrame | None, Reasons]:
    """Compute an experiment whose computation fails without the metrics that make it fail.

    `compute` takes the metrics to leave out, each with the reason. Returns the rows and the culprits; no rows, and
    every metric, where leaving out those that fail alone does not help.
    """
    every = dict.fromkeys(metric_ids, reason)
    culprits = {}
    for metric_id in every:
        try:
            compute({other: reason for other in every if other != metric_id})
        except Exception as error:  # noqa: BLE001
            culprits[metric_id] = failure(error)
    if culprits and len(culprits) < len(every):
        try:
            return compute(culprits), culprits
        except Exception:  # noqa: BLE001
            return None, every
    return None, every | culprits


def failure(error: Exception) -> str:
    """What is published of an exception."""
    return f"computation failed: {type(error).__name__}: {error}"
