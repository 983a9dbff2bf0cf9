"""Whether arms were alike before they were exposed."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.health.arm_pairs import arm_pairs
from analysis.health.inputs import LOOK, HealthInputs, and_others, worst_at_looks
from analysis.statistics.confidence_sequence import best_rho2, running_minimum, two_sided_p
from analysis.statistics.estimate import Contrast
from analysis.statistics.status import Status
from configs.schema import Experiment

UNITS_TO_START = 1_000
"""Units of each arm before the sequence starts: with fewer, means of skewed values are not normal yet."""

SERIES = ["experiment_id", "metric_id", "variant_id_treatment"]


def pre_exposure_imbalance(inputs: HealthInputs) -> pd.DataFrame:
    """`pre_exposure_imbalance`: a covariate's mean, which no treatment can have changed, differs between arms.

    Always-valid p-values, Bonferroni over covariate metrics and treatments. Where the allocation changes, arms are
    not alike in when their units came, and covariates may drift: that is not tested.
    """
    tested = {id_: one for id_, one in inputs.experiments.items() if not (one.changes_weights or one.bandit)}
    pairs = _pairs(inputs, tested)
    difference = (pairs["covariate_mean_treatment"] - pairs["covariate_mean_baseline"]).to_numpy(dtype=float)
    n_baseline, n_treatment = (pairs[f"n_units_{arm}"].to_numpy(dtype=float) for arm in ("baseline", "treatment"))
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (
            pairs["covariate_variance_treatment"] / n_treatment + pairs["covariate_variance_baseline"] / n_baseline
        )
        se = np.sqrt(variance.to_numpy(dtype=float))
    started = np.minimum(n_baseline, n_treatment) >= UNITS_TO_START
    family = pairs["experiment_id"].map(_family_sizes(inputs)).to_numpy(dtype=float)
    warns = inputs.limit("imbalance_p", pairs["experiment_id"]) / family
    fails = inputs.limit("imbalance_error_p", pairs["experiment_id"]) / family
    planned = pairs["experiment_id"].map(
        {id_: one.analysis.minimum_units * len(one.variants) for id_, one in tested.items()}
    )
    ok = np.full(len(pairs), Status.OK)
    contrast = Contrast(difference, np.where(se > 0, se, np.nan), np.full(len(pairs), np.inf), ok)
    p = two_sided_p(contrast, n_baseline + n_treatment, best_rho2(planned.to_numpy(dtype=float), warns))
    group = pairs.groupby(SERIES, sort=False).ngroup().to_numpy()
    p = running_minimum(np.where(started, p, np.nan), group, pairs["as_of_date"].to_numpy())
    worst = worst_at_looks(
        inputs,
        pairs.assign(
            p_value=p,
            threshold=np.where(p < fails, fails, warns),
            severe=p < fails,
            difference=difference,
            fails=p < np.maximum(warns, fails),
            badness=-np.log(np.maximum(np.nan_to_num(p, nan=1.0), 1e-300)),
        ),
    )
    severe = worst["severe"].astype("boolean").fillna(False).astype(bool)
    return worst.assign(
        severity=np.where(severe, "error", "warning"),
        passed=~worst["fails"],
        statistic=worst["difference"],
        message=[_message(row, row.experiment_id in tested) for row in worst.itertuples()],
    )


def _pairs(inputs: HealthInputs, tested: dict[str, Experiment]) -> pd.DataFrame:
    moments = inputs.data.moments
    moments = moments[(moments["segment_name"] == "all") & moments["experiment_id"].isin(list(tested))]
    columns = ["n_units", "covariate_mean", "covariate_variance"]
    moments = moments[moments["covariate_mean"].notna()].astype(dict.fromkeys(columns, "float64"))
    keys = [*LOOK, "metric_id"]
    return arm_pairs(moments[[*keys, "variant_id", *columns]], tested, keys)


def _family_sizes(inputs: HealthInputs) -> dict[str, int]:
    return {
        id_: max(
            1, len(one.treatments) * sum(inputs.metrics[metric].covariate is not None for metric in one.metrics.roles)
        )
        for id_, one in inputs.experiments.items()
    }


def _message(row: Any, is_tested: bool) -> str:
    if not is_tested:
        return "not tested: the allocation changes, so that arms differ in when their units came"
    if np.isnan(row.p_value):
        return f"no covariate of {UNITS_TO_START:,} units in each arm yet"
    return (
        f"before exposure {row.metric_id} was {row.covariate_mean_treatment:.6g} in {row.variant_id_treatment},"
        f" {row.covariate_mean_baseline:.6g} in {row.variant_id_baseline}: always-valid p {row.p_value:.4g},"
        f" {'fails' if row.severe else 'warns'} below {row.threshold:.2g}" + and_others(row.n_failing, "covariate")
    )
