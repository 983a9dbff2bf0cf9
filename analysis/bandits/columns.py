"""The columns of the published tables of bandits, and their types."""

from analysis.scorecard.columns import COUNT, DATE, NUMBER, TEXT

ALLOCATION_COLUMNS: dict[str, str] = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "day": DATE,
    "variant_id": TEXT,
    "metric_id": TEXT,
    "n_units": COUNT,
    "mean": NUMBER,
    "chance_best": NUMBER,
    "share": NUMBER,
    "buckets": COUNT,
    "first_bucket": COUNT,
    "end_bucket": COUNT,
    "salt": TEXT,
    "status": TEXT,
    "reason": TEXT,
}
VALUE_COLUMNS: dict[str, str] = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "metric_id": TEXT,
    "policy_id": TEXT,
    "estimator": TEXT,
    "n_units": COUNT,
    "effective_units": NUMBER,
    "value": NUMBER,
    "value_se": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "confidence_level": NUMBER,
    "status": TEXT,
    "reason": TEXT,
}
GAIN_COLUMNS: dict[str, str] = {
    "as_of_date": DATE,
    "experiment_id": TEXT,
    "metric_id": TEXT,
    "n_units": COUNT,
    "n_batches": COUNT,
    "gain": NUMBER,
    "gain_se": NUMBER,
    "ci_low": NUMBER,
    "ci_high": NUMBER,
    "gain_per_unit": NUMBER,
    "confidence_level": NUMBER,
    "status": TEXT,
    "reason": TEXT,
}
