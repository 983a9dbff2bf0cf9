"""Always-valid, group sequential and Bayesian inference of a contrast in the form that every method has."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.statistics import confidence_sequence as sequence
from analysis.statistics.bayesian import beta_binomial, normal
from analysis.statistics.design import Design
from analysis.statistics.estimate import Arm, Contrast, Estimate
from analysis.statistics.group_sequential.stagewise import stagewise
from analysis.statistics.status import Codes, Floats, Status
from analysis.statistics.student_t import Interval

STAGEWISE = ("p_value_stagewise", "effect_median_unbiased", "stagewise_ci_low", "stagewise_ci_high")


def always_valid_p(contrast: Contrast, design: Design) -> Floats:
    """Two-sided p-value of an asymptotic confidence sequence."""
    return sequence.two_sided_p(contrast, design.n, design.rho2)


def always_valid_tail_p(contrast: Contrast, design: Design) -> Floats:
    """One-sided p-value of an asymptotic confidence sequence, against a positive value."""
    return sequence.upper_tail_p(contrast, design.n, design.rho2)


def always_valid_interval(contrast: Contrast, design: Design) -> Interval:
    """Interval of an asymptotic confidence sequence; what tests at every look need."""
    return sequence.interval(contrast, design.n, design.rho2, design.alpha)


def burning_in(estimate: Estimate, design: Design) -> Codes:
    """BURN_IN where an arm has too few units, or of a share too few events or non-events; else OK."""
    reached = sequence.burn_in_reached(
        estimate.baseline, estimate.treatment, design.is_share, design.burn_in, design.burn_in_units
    )
    return np.where(reached, np.int8(Status.OK), np.int8(Status.BURN_IN))


def always_valid_details(estimate: Estimate, design: Design, sign: Floats) -> dict[str, Floats]:
    """Units at which the sequence would exclude no effect."""
    return {"projected_n": sequence.projected_n(estimate.difference, design.n, design.rho2, design.alpha)}


def posterior_of(contrast: Contrast, design: Design) -> normal.Posterior:
    """Normal posterior of the contrast's value."""
    known = (design.prior_sd > 0) & np.isfinite(design.prior_mean)
    prior = normal.Prior(np.where(known, design.prior_mean, 0.0), np.where(known, design.prior_sd, np.inf))
    return normal.posterior(contrast, prior)


def posterior_p(contrast: Contrast, design: Design) -> Floats:
    """Twice the smaller posterior probability of a direction: at most alpha where the credible interval excludes 0."""
    posterior = posterior_of(contrast, design)
    return 2 * special.ndtr(-np.abs(posterior.mean) / posterior.sd)


def posterior_tail_p(contrast: Contrast, design: Design) -> Floats:
    """Posterior probability that the value is not positive."""
    posterior = posterior_of(contrast, design)
    return np.asarray(special.ndtr(-posterior.mean / posterior.sd))


def posterior_interval(contrast: Contrast, design: Design) -> Interval:
    """Equal-tailed credible interval."""
    return normal.credible_interval(posterior_of(contrast, design), design.alpha)


def posterior_share_level_p(arm: Arm, sign: Floats, level: Floats) -> Floats:
    """Posterior probability, from a uniform prior, that a share is not better than `level`."""
    share = beta_binomial.posterior(arm.n, arm.mean)
    below = special.betainc(share.a, share.b, level)
    return np.where(sign > 0, below, special.betaincc(share.a, share.b, level))


def bayesian_details(estimate: Estimate, design: Design, sign: Floats) -> dict[str, Floats]:
    """Posterior of the effect, chance to be better, to be equivalent, and expected loss of shipping.

    Unadjusted shares under a flat prior take their beta posteriors; all else is normal.
    """
    posterior = posterior_of(estimate.difference, design)
    better, loss = normal.chance_to_beat(posterior, sign), normal.expected_loss(posterior, sign).treatment
    conjugate = design.is_share & np.isinf(design.prior_sd) & (np.asarray(estimate.baseline.adjustment_variance) == 0)
    conjugate &= estimate.status == Status.OK
    if conjugate.any():
        arms = (estimate.baseline.take(conjugate), estimate.treatment.take(conjugate))
        shares = beta_binomial.compare(*(beta_binomial.posterior(arm.n, arm.mean) for arm in arms))
        better[conjugate] = beta_binomial.chance_to_beat(shares, sign[conjugate])
        loss[conjugate] = beta_binomial.expected_loss(shares, sign[conjugate]).treatment
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(estimate.baseline.mean == 0, np.nan, loss / np.abs(estimate.baseline.mean))
    return {
        "posterior_mean": posterior.mean,
        "posterior_sd": posterior.sd,
        "probability_better": better,
        "probability_equivalent": normal.rope_probability(posterior, -design.rope, design.rope),
        "expected_loss": loss,
        "expected_loss_relative": relative,
    }


def repeated_p(contrast: Contrast, design: Design) -> Floats:
    """Two-sided p-value at a look: the smallest level at which the test would stop there."""
    return design.schedules.two_sided_p(contrast.value / contrast.se, design.schedule, design.look)


def repeated_tail_p(contrast: Contrast, design: Design) -> Floats:
    """One-sided p-value at a look, from the two-sided boundaries: each side spends half of their level."""
    p = repeated_p(contrast, design)
    return np.where(contrast.value > 0, p / 2, 1 - p / 2)


def repeated_interval(contrast: Contrast, design: Design) -> Interval:
    """Repeated confidence interval at a look."""
    half = contrast.se * design.schedules.critical_value(design.schedule, design.look, design.alpha)
    return Interval(contrast.value - half, contrast.value + half)


def between_looks(estimate: Estimate, design: Design) -> Codes:
    """NO_LOOK where none is taken."""
    return np.where(design.look >= 0, np.int8(Status.OK), np.int8(Status.NO_LOOK))


def group_sequential_details(estimate: Estimate, design: Design, sign: Floats) -> dict[str, Floats]:
    """Critical value, and where the test stops here, inference by the stage-wise ordering."""
    contrast, schedules = estimate.difference, design.schedules
    z = contrast.value / contrast.se
    critical = schedules.critical_value(design.schedule, design.look, design.alpha)
    details = {name: np.full(z.shape, np.nan) for name in STAGEWISE}
    for options, level, here in schedules.kinds(design.schedule, design.look, design.alpha):
        bounds, row = schedules.bounds(options, level)
        is_final = schedules.ends[design.schedule[here]]
        is_final &= design.look[here] == np.isfinite(schedules.fractions[design.schedule[here]]).sum(axis=1) - 1
        at = here[(is_final | (np.abs(z[here]) >= critical[here])) & np.isfinite(z[here])]
        if not at.size:
            continue
        found = stagewise(contrast_at(contrast, at), bounds, row[design.schedule[at]], design.look[at])
        details["p_value_stagewise"][at] = significant_digits(found.p_value)
        # Where all of alpha had been spent before, an end is 0, and what iterations leave of it is no figure.
        least = 1e-8 * contrast.se[at]
        ends = (found.median_unbiased, found.interval.low, found.interval.high)
        for name, values in zip(STAGEWISE[1:], ends, strict=True):
            details[name][at] = significant_digits(np.where(np.abs(values) < least, 0.0, values))
    return details | {"critical_value": critical}


def is_futile(goal: Contrast, design: Design) -> Floats:
    """1 where `goal`, positive if it is reached, lies below the futility bound of its level; NaN without a bound."""
    z = goal.value / goal.se
    bound = design.schedules.futility_bound(design.schedule, design.look, design.alpha)
    return np.where(np.isnan(bound) | np.isnan(z), np.nan, (z < bound).astype(float))


def contrast_at(contrast: Contrast, index: NDArray[np.intp]) -> Contrast:
    """The contrasts of some comparisons."""
    return Contrast(contrast.value[index], contrast.se[index], contrast.df[index], contrast.status[index])


def significant_digits(values: Floats, digits: int = 6) -> Floats:
    """Values rounded to so many digits: what iterations leave behind them differs with what is computed beside."""
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.abs(values))))
        rounded = np.round(values * scale) / scale
    return np.where(np.isfinite(rounded), rounded, values)
