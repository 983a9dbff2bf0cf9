"""Each treatment's row beside its baseline's."""

from collections.abc import Mapping, Sequence

import pandas as pd

from configs.schema import Experiment


def arm_pairs(frame: pd.DataFrame, experiments: Mapping[str, Experiment], on: Sequence[str]) -> pd.DataFrame:
    """Rows of treatments joined with their baseline's `on` these columns; others end in `_treatment`, `_baseline`."""
    baselines = {id_: experiment.baseline.id for id_, experiment in experiments.items()}
    is_baseline = frame["variant_id"] == frame["experiment_id"].map(baselines)
    return frame[~is_baseline].merge(frame[is_baseline], on=list(on), suffixes=("_treatment", "_baseline"))
