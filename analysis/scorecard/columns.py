"""The scorecard's columns, their types, and the vocabulary of its `status`."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

DATE, TEXT, COUNT, NUMBER, FLAG = "datetime64[us]", "str", "Int64", "float64", "boolean"

# The published order. Types hold for empty frames too: text is pandas' str, missing n and flags are <NA>.
SCORECARD_COLUMNS: dict[str, str] = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "metric_id": TEXT,
    "role": TEXT,
    "variant_id": TEXT,
    "baseline_id": TEXT,
    "segment_name": TEXT,
    "segment_value": TEXT,
    "n_baseline": COUNT,
    "n_treatment": COUNT,
    "baseline_mean": NUMBER,
    "treatment_mean": NUMBER,
    "effect": NUMBER,
    "effect_se": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "ci_low_adjusted": NUMBER,
    "ci_high_adjusted": NUMBER,
    "effect_relative": NUMBER,
    "relative_ci_low": NUMBER,
    "relative_ci_high": NUMBER,
    "p_value": NUMBER,
    "p_value_adjusted": NUMBER,
    "p_value_non_inferiority": NUMBER,
    "p_value_deterioration": NUMBER,
    "margin": NUMBER,
    "confidence_level": NUMBER,
    "significant": FLAG,
    "method": TEXT,
    "variance_reduction": NUMBER,
    "status": TEXT,
    "reason": TEXT,
    # Beyond the published contract:
    "margin_type": TEXT,
    "confidence_level_adjusted": NUMBER,
    "effect_se_pooled": NUMBER,
    "last_cohort_date": DATE,
    "metric_hash": TEXT,
    "alternative": TEXT,
    "relative_method": TEXT,
    "p_value_improvement": NUMBER,
    "equivalence_margin": NUMBER,
    "equivalence_margin_type": TEXT,
    "p_value_equivalence": NUMBER,
    "look": COUNT,
    "information_fraction": NUMBER,
    "critical_value": NUMBER,
    "is_futile": FLAG,
    "p_value_stagewise": NUMBER,
    "effect_median_unbiased": NUMBER,
    "stagewise_ci_low": NUMBER,
    "stagewise_ci_high": NUMBER,
    "projected_date": DATE,
    "posterior_mean": NUMBER,
    "posterior_sd": NUMBER,
    "probability_better": NUMBER,
    "probability_best": NUMBER,
    "probability_equivalent": NUMBER,
    "expected_loss": NUMBER,
    "expected_loss_relative": NUMBER,
}

NO_COVARIATE = "no_covariate"
FEWER_COVARIATES = "fewer_covariates"
FAILED = "failed"

# A row with one of these has an effect, its standard error, intervals and p-values: `ok`, or a warning.
# Any other status is a failure: `reason` says why and no inference stands.
ESTIMATED_STATUSES = frozenset(
    {
        "ok",
        NO_COVARIATE,
        FEWER_COVARIATES,
        "skewed",
        "weak_baseline",
        "open_ended",
        "drifting",
        "zero_baseline",
        "sparse",
        "miscalibrated",
        "few_clusters",
    }
)


def typed_frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """The scorecard with exactly its columns, in order and typed."""
    frame = pd.DataFrame({name: columns[name] for name in SCORECARD_COLUMNS})
    return frame.astype(SCORECARD_COLUMNS)
