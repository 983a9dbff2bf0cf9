"""Everything about segments from the scorecard and its moments, in one call."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analysis.heterogeneity.interactions import interactions
from analysis.heterogeneity.mixes import mixes
from analysis.heterogeneity.segment_effects import segment_effects
from analysis.heterogeneity.segments import segments_of
from configs.schema import Experiment, Metric


@dataclass(frozen=True)
class Heterogeneity:
    """Tests by dimension, shrunken effects by segment, mixes by dimension, with the columns in `columns`."""

    interactions: pd.DataFrame
    segment_effects: pd.DataFrame
    mixes: pd.DataFrame


def heterogeneity(
    scorecard: pd.DataFrame,
    moments: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
) -> Heterogeneity:
    """Whether effects differ between segments, for every as-of date and comparison whose segments the scorecard has.

    `scorecard` is what `analysis.scorecard.scorecard` gave, whole populations and segments; `moments` are the
    fct_metric_moments that it was made of. A pair of dimensions is a segment named `country, device` with values like
    `DE, mobile`. Published effects are taken as they are; nothing here changes them.
    Raises ValueError for moments that lack a column or hold a row twice.
    """
    kept = scorecard[scorecard["experiment_id"].isin(list(experiments)).to_numpy()]
    segments = segments_of(kept, moments, metrics)
    tests = interactions(segments, experiments)
    return Heterogeneity(tests, segment_effects(segments, experiments), mixes(segments, kept, tests, metrics))
