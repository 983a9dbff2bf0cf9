"""A bandit's rows of the scorecard: effects whose inference holds though units were allocated by earlier rewards."""

from collections.abc import Mapping

import pandas as pd

from analysis.bandits.adaptive_weights import effects as adaptive_weights
from analysis.bandits.batched_ols import batched_ols
from analysis.bandits.batches import has_few_events
from analysis.bandits.frames import arrays_of
from analysis.bandits.logged_propensities import shares_of
from analysis.bandits.reasons import FEW_EVENTS, REASONS
from analysis.scorecard.columns import SCORECARD_COLUMNS
from analysis.scorecard.contrast_rows import MetricContrasts, blocks_of, contrast_frame, dates_of
from analysis.statistics.registry import SHARE_TYPES
from analysis.statistics.status import Floats
from configs.schema import Experiment, Metric

INFERENCES = {"batched_ols": batched_ols, "adaptive_weights": adaptive_weights}
TYPES = ("proportion", "mean", "retention")
NO_BATCHES = "a {} has no moments by batch, without which nothing holds of a bandit"


def bandit_scorecard(
    batch_moments: pd.DataFrame,
    moments: pd.DataFrame,
    allocations: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    blocked: pd.DataFrame,
    as_of_dates: pd.DataFrame,
    logged: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Rows of every bandit at the as-of dates asked for, as the scorecard has them of the whole population.

    Means are of all units so far, and so of other days in each arm; effects are not. As the baseline's is such a mean
    there is no relative interval. `logged` is fct_logged_propensities, which comes before what was published.
    """
    blocks = blocks_of(blocked)
    frames = [pd.DataFrame(columns=list(SCORECARD_COLUMNS)).astype(SCORECARD_COLUMNS)]
    for experiment in experiments.values():
        dates = dates_of(as_of_dates, experiment.id)
        if experiment.bandit is None or not experiment.is_analysed or not dates:
            continue
        shares = shares_of(allocations, experiment, dates, logged)
        parts = [
            _contrasts(batch_moments, shares, experiment, metrics[metric_id], role, dates).rows(moments, blocks)
            for metric_id, role in experiment.metrics.roles.items()
        ]
        frames.append(contrast_frame(parts, experiment))
    return pd.concat(frames, ignore_index=True)


def _contrasts(
    batch_moments: pd.DataFrame,
    shares: Floats,
    experiment: Experiment,
    metric: Metric,
    role: str,
    dates: list[pd.Timestamp],
) -> MetricContrasts:
    bandit, variants = experiment.bandit, [variant.id for variant in experiment.variants]
    assert bandit is not None
    base = variants.index(experiment.baseline.id)
    batches = arrays_of(batch_moments, experiment, metric.id, dates).batches(shares)
    found = INFERENCES[bandit.inference](batches, base)
    warnings = {}
    if metric.type in SHARE_TYPES:
        few = has_few_events(batches)
        warnings = {
            (at, arm): ("sparse", FEW_EVENTS)
            for at in range(len(dates))
            for arm in range(len(variants))
            if few[at, arm] or few[at, base]
        }
    kind = "bootstrapped metric" if metric.bootstrap is not None else metric.type
    unsupported = "" if metric.type in TYPES and metric.bootstrap is None else NO_BATCHES.format(kind)
    return MetricContrasts(experiment, metric, role, dates, found, bandit.inference, REASONS, warnings, unsupported)
