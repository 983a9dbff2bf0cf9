"""The columns of what heterogeneity gives, and their types."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.scorecard.columns import COUNT, DATE, FAILED, FLAG, NUMBER, TEXT

TOO_FEW_SEGMENTS = "too_few_segments"

COMPARISON: dict[str, str] = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "metric_id": TEXT,
    "role": TEXT,
    "variant_id": TEXT,
    "baseline_id": TEXT,
}
DIMENSION = COMPARISON | {"segment_name": TEXT}
KEYS = [name for name in DIMENSION if name not in ("role", "baseline_id")]

INTERACTION_COLUMNS = DIMENSION | {
    "term": TEXT,
    "n_segments": COUNT,
    "n_used": COUNT,
    "statistic": NUMBER,
    "df": NUMBER,
    "df_denominator": NUMBER,
    "p_value": NUMBER,
    "p_value_adjusted": NUMBER,
    "confidence_level": NUMBER,
    "significant": FLAG,
    "p_value_relative": NUMBER,
    "i_squared": NUMBER,
    "common_effect": NUMBER,
    "common_effect_se": NUMBER,
    "tau": NUMBER,
    "tau_low": NUMBER,
    "tau_high": NUMBER,
    "method": TEXT,
    "status": TEXT,
    "reason": TEXT,
}
SEGMENT_EFFECT_COLUMNS = DIMENSION | {
    "segment_value": TEXT,
    "n_baseline": COUNT,
    "n_treatment": COUNT,
    "effect": NUMBER,
    "effect_se": NUMBER,
    "shrunken_effect": NUMBER,
    "shrunken_sd": NUMBER,
    "shrunken_ci_low": NUMBER,
    "shrunken_ci_high": NUMBER,
    "confidence_level": NUMBER,
    "shrinkage": NUMBER,
    "status": TEXT,
    "reason": TEXT,
}
MIX_COLUMNS = DIMENSION | {
    "pooled_effect": NUMBER,
    "standardised_effect": NUMBER,
    "mix_effect": NUMBER,
    "mix_effect_se": NUMBER,
    "p_value": NUMBER,
    "n_segments": COUNT,
    "n_opposed": COUNT,
    "opposed_share": NUMBER,
    "segment_value": TEXT,
    "contribution": NUMBER,
    "baseline_share": NUMBER,
    "treatment_share": NUMBER,
    "finding": TEXT,
    "status": TEXT,
    "reason": TEXT,
}
OVERLAP_COLUMNS: dict[str, str] = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "other_experiment_id": TEXT,
    "metric_id": TEXT,
    "n_units": COUNT,
    "statistic": NUMBER,
    "df": NUMBER,
    "df_denominator": NUMBER,
    "p_value": NUMBER,
    "p_value_adjusted": NUMBER,
    "confidence_level": NUMBER,
    "significant": FLAG,
    "variant_id": TEXT,
    "other_variant_id": TEXT,
    "interaction": NUMBER,
    "interaction_se": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "p_value_assignment": NUMBER,
    "status": TEXT,
    "reason": TEXT,
}
TREND_COLUMNS = COMPARISON | {
    "term": TEXT,
    "scale": TEXT,
    "n_baseline": COUNT,
    "n_treatment": COUNT,
    "n_days": COUNT,
    "first_week_effect": NUMBER,
    "last_week_effect": NUMBER,
    "change": NUMBER,
    "change_se": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "p_value": NUMBER,
    "p_value_adjusted": NUMBER,
    "confidence_level": NUMBER,
    "significant": FLAG,
    "finding": TEXT,
    "status": TEXT,
    "reason": TEXT,
}


def typed(columns: Mapping[str, Any], types: Mapping[str, str]) -> pd.DataFrame:
    """A frame with exactly the columns that `types` names, in that order and typed."""
    return pd.DataFrame({name: columns[name] for name in types}).astype(dict(types))


def failed_rows(heads: pd.DataFrame, reason: str, types: Mapping[str, str], **given: str) -> pd.DataFrame:
    """Rows of what could not be computed: the keys in `heads`, and why."""
    blank = {name: pd.Series("" if kind == TEXT else None, heads.index, dtype=object) for name, kind in types.items()}
    known = {name: heads[name] for name in heads.columns if name in types}
    return typed(blank | known | given | {"status": FAILED, "reason": reason}, types)
