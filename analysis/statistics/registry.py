"""Every estimator by name, and which one a metric type takes; the methods of inference are in `inference`."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.cuped import cuped, kept_by_cuped
from analysis.statistics.epochs import combined, combined_ratio
from analysis.statistics.estimate import Estimate
from analysis.statistics.further_covariates import MEANS_OWN, RATIOS_OWN, with_further
from analysis.statistics.inference import INFERENCES, Inference
from analysis.statistics.lin import kept_by_lin, lin
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.multiplicity import CORRECTIONS
from analysis.statistics.post_stratification import post_stratified, post_stratified_ratio
from analysis.statistics.ratio import delta_ratio, delta_ratio_cuped, delta_ratio_lin, linearised
from analysis.statistics.status import Floats
from analysis.statistics.welch import welch

__all__ = [
    "BY_EPOCH",
    "CORRECTIONS",
    "ESTIMATORS",
    "ESTIMATOR_OF_TYPE",
    "INFERENCES",
    "SHARE_TYPES",
    "STRATIFIED",
    "STRATUM_MOMENTS",
    "Columns",
    "Inference",
]

# An arm as columns of the metric_moments table, each an array over comparisons; `stratum_` columns, which only
# estimators in STRATIFIED read, are of fct_stratum_moments and have a further axis of strata; `further_` columns are
# of fct_covariate_moments.
Columns = Mapping[str, Floats]


# Of a stratum, without the prefix `stratum_`.
STRATUM_MOMENTS = (
    "n_units",
    "mean",
    "variance",
    "denominator_mean",
    "denominator_variance",
    "denominator_covariance",
)


def _welch(baseline: Columns, treatment: Columns) -> Estimate:
    return welch(_mean_moments(baseline), _mean_moments(treatment))


def _delta_ratio(baseline: Columns, treatment: Columns) -> Estimate:
    estimate = delta_ratio(_ratio_moments(baseline), _ratio_moments(treatment))
    # The table's third moment is that of y - R·x; the linearised ratio divides by x̄.
    thirds = [arm["third_central_moment"] / arm["denominator_mean"] ** 3 for arm in (baseline, treatment)]
    return _with_third_moments(estimate, *thirds)


def _welch_cuped(baseline: Columns, treatment: Columns) -> Estimate:
    estimate = cuped(covariate_moments(baseline), covariate_moments(treatment))
    return _with_third_moments(estimate, baseline["third_central_moment"], treatment["third_central_moment"])


def _welch_lin(baseline: Columns, treatment: Columns) -> Estimate:
    estimate = lin(covariate_moments(baseline), covariate_moments(treatment))
    return _with_third_moments(estimate, baseline["third_central_moment"], treatment["third_central_moment"])


def _adjusted_ratio(method: Callable[[JointMoments, JointMoments], Estimate]) -> Callable[[Columns, Columns], Estimate]:
    def estimate(baseline: Columns, treatment: Columns) -> Estimate:
        moments = (_ratio_covariate_moments(baseline), _ratio_covariate_moments(treatment))
        thirds = [arm["third_central_moment"] / arm["denominator_mean"] ** 3 for arm in (baseline, treatment)]
        return _with_third_moments(method(*moments), *thirds)

    return estimate


def _welch_post_stratified(baseline: Columns, treatment: Columns) -> Estimate:
    found = post_stratified(*(_mean_moments(_within_strata(arm)) for arm in (baseline, treatment)))
    return _with_third_moments(found.estimate, baseline["third_central_moment"], treatment["third_central_moment"])


def _delta_ratio_post_stratified(baseline: Columns, treatment: Columns) -> Estimate:
    found = post_stratified_ratio(*(_ratio_moments(_within_strata(arm)) for arm in (baseline, treatment)))
    thirds = [arm["third_central_moment"] / arm["denominator_mean"] ** 3 for arm in (baseline, treatment)]
    return _with_third_moments(found.estimate, *thirds)


def _welch_by_epoch(baseline: Columns, treatment: Columns) -> Estimate:
    arms = [
        replace(_mean_moments(_within_strata(arm)), third_central_moment=arm["third_central_moment"])
        for arm in (baseline, treatment)
    ]
    return combined(*arms)


def _delta_ratio_by_epoch(baseline: Columns, treatment: Columns) -> Estimate:
    third_b, third_t = (arm["third_central_moment"] / arm["denominator_mean"] ** 3 for arm in (baseline, treatment))
    moments_b, moments_t = (_ratio_moments(_within_strata(arm)) for arm in (baseline, treatment))
    return combined_ratio(moments_b, moments_t, (third_b, third_t))


def _within_strata(columns: Columns) -> Columns:
    """The columns of an arm's strata, named like those of whole arms."""
    strata = {name: columns[f"stratum_{name}"] for name in STRATUM_MOMENTS}
    return strata | {"third_central_moment": np.full(strata["n_units"].shape, np.nan)}


def _with_third_moments(estimate: Estimate, baseline: Floats, treatment: Floats) -> Estimate:
    return replace(
        estimate,
        baseline=replace(estimate.baseline, third_central_moment=baseline),
        treatment=replace(estimate.treatment, third_central_moment=treatment),
    )


def _mean_moments(columns: Columns) -> MeanMoments:
    return MeanMoments(columns["n_units"], columns["mean"], columns["variance"], columns["third_central_moment"])


def _ratio_moments(columns: Columns) -> JointMoments:
    return _joint_moments(
        columns["n_units"],
        (columns["mean"], columns["denominator_mean"]),
        (
            (columns["variance"], columns["denominator_covariance"]),
            (columns["denominator_covariance"], columns["denominator_variance"]),
        ),
    )


def covariate_moments(columns: Columns) -> JointMoments:
    """Value, covariate, the indicator of units without history, and the columns' further covariates."""
    y_x, y_z = columns["covariate_covariance"], columns["no_history_covariance"]
    x_z = columns["covariate_no_history_covariance"]
    moments = _joint_moments(
        columns["n_units"],
        (columns["mean"], columns["covariate_mean"], columns["no_history_share"]),
        (
            (columns["variance"], y_x, y_z),
            (y_x, columns["covariate_variance"], x_z),
            (y_z, x_z, _no_history_variance(columns)),
        ),
    )
    return with_further(moments, columns, MEANS_OWN)


def _ratio_covariate_moments(columns: Columns) -> JointMoments:
    """Numerator, denominator, the numerator before exposure, the indicator of no history, and further covariates."""
    y_d, y_x, y_z = (columns[f"{name}_covariance"] for name in ("denominator", "covariate", "no_history"))
    d_x, d_z = columns["denominator_covariate_covariance"], columns["denominator_no_history_covariance"]
    x_z = columns["covariate_no_history_covariance"]
    moments = _joint_moments(
        columns["n_units"],
        tuple(columns[name] for name in ("mean", "denominator_mean", "covariate_mean", "no_history_share")),
        (
            (columns["variance"], y_d, y_x, y_z),
            (y_d, columns["denominator_variance"], d_x, d_z),
            (y_x, d_x, columns["covariate_variance"], x_z),
            (y_z, d_z, x_z, _no_history_variance(columns)),
        ),
    )
    return with_further(moments, columns, RATIOS_OWN)


def _no_history_variance(columns: Columns) -> Floats:
    """An indicator's sample variance follows from its mean."""
    n, share = columns["n_units"], columns["no_history_share"]
    with np.errstate(invalid="ignore", divide="ignore"):
        return share * (1 - share) * n / (n - 1)


def _joint_moments(n: Floats, means: tuple[Floats, ...], covariances: tuple[tuple[Floats, ...], ...]) -> JointMoments:
    covariance = np.stack([np.stack(row, axis=-1) for row in covariances], axis=-2)
    return JointMoments(n, np.stack(means, axis=-1), covariance)


def kept_covariates(estimator: str, baseline: Columns, treatment: Columns) -> NDArray[np.bool_]:
    """Which covariates an adjusted estimator uses (comparisons, covariates), in the order of the joint moments."""
    moments = [_ratio_covariate_moments(arm) if "ratio" in estimator else covariate_moments(arm)
               for arm in (baseline, treatment)]  # fmt: skip
    if "ratio" in estimator:
        moments = [linearised(arm) for arm in moments]
    return (kept_by_lin if estimator.endswith("_lin") else kept_by_cuped)(*moments)


ESTIMATORS: dict[str, Callable[[Columns, Columns], Estimate]] = {
    "welch": _welch,
    "welch_cuped": _welch_cuped,
    "welch_lin": _welch_lin,
    "delta_ratio": _delta_ratio,
    "delta_ratio_cuped": _adjusted_ratio(delta_ratio_cuped),
    "delta_ratio_lin": _adjusted_ratio(delta_ratio_lin),
    "welch_post_stratified": _welch_post_stratified,
    "delta_ratio_post_stratified": _delta_ratio_post_stratified,
    "welch_by_epoch": _welch_by_epoch,
    "delta_ratio_by_epoch": _delta_ratio_by_epoch,
}
# Those whose strata are the epochs of an allocation that changed: without them there is no estimate.
BY_EPOCH = frozenset({"welch_by_epoch", "delta_ratio_by_epoch"})
# Those that read the moments within strata.
STRATIFIED = BY_EPOCH | {"welch_post_stratified", "delta_ratio_post_stratified"}

# Metric types whose value is 0 or 1 per unit.
SHARE_TYPES = frozenset({"proportion", "retention"})

# The estimator of a metric type by the adjustment asked for; "none" also where a metric has no covariate.
_OF_MEANS = {
    "none": "welch",
    "cuped": "welch_cuped",
    "lin": "welch_lin",
    "post_stratification": "welch_post_stratified",
    "epochs": "welch_by_epoch",
}
ESTIMATOR_OF_TYPE: dict[str, dict[str, str]] = {
    "mean": _OF_MEANS,
    "proportion": _OF_MEANS,
    "retention": _OF_MEANS,
    "quantile": {"none": "quantile"},
    "categorical": {"none": "chi_squared"},
    "ratio": {
        "none": "delta_ratio",
        "cuped": "delta_ratio_cuped",
        "lin": "delta_ratio_lin",
        "post_stratification": "delta_ratio_post_stratified",
        "epochs": "delta_ratio_by_epoch",
    },
}
