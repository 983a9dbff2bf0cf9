"""Estimates with covariates."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from analysis.statistics.cuped import cuped
from analysis.statistics.estimate import Estimate
from analysis.statistics.further_covariates import MEANS_OWN, covariance_column, mean_column
from analysis.statistics.lin import lin
from analysis.statistics.moments import JointMoments
from analysis.statistics.ratio import delta_ratio_cuped, delta_ratio_lin
from analysis.statistics.registry import ESTIMATORS
from analysis.statistics.student_t import two_sided_p
from tests.simulation import methods, processes
from tests.simulation.fixed_horizon import RATIO
from tests.simulation.processes import Floats, Generator, JointProcess, JointSums, WithTwoHistories, joint_sums
from tests.simulation.study import LIFT, Study, sizes
from tests.simulation.table import Figure, figure

TOPIC = "Variance reduction"
Method = Callable[[JointMoments, JointMoments], Estimate]


def _share(z: Floats, lift: float) -> Floats:
    return (z > -ndtri(0.1 * (1 + lift))).astype(float)


def _revenue(z: Floats, lift: float) -> Floats:
    """One in ten pays; the amount rises with z, to a heavy tail."""
    payer = z > -ndtri(0.1)
    return np.where(payer, np.exp(1.5 * (z + ndtri(0.1))), 0.0) * (1 + lift)


NORMAL = processes.WithHistory("normal, history correlated .7", 2.0, lambda z, lift: (2 + 2 * z) * (1 + lift))
SHARE = processes.WithHistory("proportion 10 % with history", 0.1, _share)
# E[exp(1.5(z - c)); z > c] = exp(1.5²/2 - 1.5c)·Φ(1.5 - c), c = 1.2816.
TWO_NORMAL = WithTwoHistories("normal, own history and another event", 2.0, lambda z, lift: (2 + 2 * z) * (1 + lift))
TWO_SHARE = WithTwoHistories("proportion 10 %, own history and another event", 0.1, _share)
REVENUE = processes.WithHistory("zero-inflated revenue with history", 0.26422, _revenue)


def adjusted(process: JointProcess, n_b: int, n_t: int, known: str = "") -> Study:
    """CUPED and Lin's regression, for means and ratios."""
    is_ratio = isinstance(process, processes.Sessions)
    options: dict[str, Method] = (
        {"ratio CUPED": delta_ratio_cuped, "ratio Lin": delta_ratio_lin} if is_ratio else {"CUPED": cuped, "Lin": lin}
    )

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        base = joint_sums(process, rng, runs, np.array([n_b]))
        arms = [joint_sums(process, rng, runs, np.array([n_t]), lift) for lift in (0.0, LIFT)]
        for name, method in options.items():
            null, effect = (_estimate(method, base, arm, is_ratio=is_ratio) for arm in arms)
            rejected = two_sided_p(null.difference) <= methods.ALPHA
            yield figure(name, "rejection", rejected, methods.ALPHA, warned=methods.warns(null))
            yield from methods.intervals(name, effect, process.mean, LIFT, known)

    return Study(TOPIC, process.name, sizes(n_b, n_t), figures)


def with_two_covariates(process: WithTwoHistories, n_b: int, n_t: int) -> Study:
    """CUPED and Lin's regression on two covariates, by the estimators that the scorecard calls."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        base = joint_sums(process, rng, runs, np.array([n_b]))
        arms = [joint_sums(process, rng, runs, np.array([n_t]), lift) for lift in (0.0, LIFT)]
        for name, estimator in (("CUPED", "welch_cuped"), ("Lin", "welch_lin")):
            label = f"{name}, two covariates"
            null, effect = (ESTIMATORS[estimator](_columns(base), _columns(arm)) for arm in arms)
            rejected = two_sided_p(null.difference) <= methods.ALPHA
            yield figure(label, "rejection", rejected, methods.ALPHA, warned=methods.warns(null))
            yield from methods.intervals(label, effect, process.mean, LIFT)

    return Study(TOPIC, process.name, sizes(n_b, n_t), figures)


def _columns(arm: JointSums) -> dict[str, Floats]:
    """An arm as columns of fct_metric_moments and fct_covariate_moments."""
    moments = arm.moments()
    mean, covariance = moments.mean, moments.covariance
    return {
        "n_units": moments.n,
        "mean": mean[..., 0],
        "variance": covariance[..., 0, 0],
        "third_central_moment": arm.third_of_value(),
        "covariate_mean": mean[..., 1],
        "covariate_variance": covariance[..., 1, 1],
        "covariate_covariance": covariance[..., 0, 1],
        "no_history_share": mean[..., 2],
        "no_history_covariance": covariance[..., 0, 2],
        "covariate_no_history_covariance": covariance[..., 1, 2],
        mean_column(1): mean[..., 3],
        **{covariance_column(1, name): covariance[..., 3, at] for at, name in enumerate((*MEANS_OWN, 1))},
    }


def _estimate(method: Method, baseline: JointSums, treatment: JointSums, *, is_ratio: bool) -> Estimate:
    estimate = method(baseline.moments(), treatment.moments())
    thirds = [arm.third_of_ratio() if is_ratio else arm.third_of_value() for arm in (baseline, treatment)]
    arms = [replace(arm, third_central_moment=third)
            for arm, third in zip((estimate.baseline, estimate.treatment), thirds, strict=True)]  # fmt: skip
    return replace(estimate, baseline=arms[0], treatment=arms[1])


STUDIES = (
    adjusted(NORMAL, 100, 100),
    adjusted(NORMAL, 1_000, 1_000),
    adjusted(NORMAL, 1_800, 200),
    adjusted(SHARE, 1_000, 1_000),
    adjusted(REVENUE, 1_000, 1_000, "heavy tails: the delta method needs more units, Fieller's interval does not"),
    with_two_covariates(TWO_NORMAL, 100, 100),
    with_two_covariates(TWO_NORMAL, 1_000, 1_000),
    with_two_covariates(TWO_NORMAL, 1_800, 200),
    with_two_covariates(TWO_SHARE, 1_000, 1_000),
    adjusted(RATIO, 500, 500),
    adjusted(RATIO, 1_800, 200),
)
