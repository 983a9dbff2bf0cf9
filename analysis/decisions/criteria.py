"""The tests that rules are made of: better, within a margin, deteriorated."""

import math

from analysis.decisions.evidence import Comparison
from analysis.decisions.levels import deterioration_level, split_level
from configs.schema import Experiment

# Under these an adjusted interval clear of 0 controls the family's error; others must pass Bonferroni too. Dunnett's
# are simultaneous over a metric's treatments, and split alpha over the metrics.
FAMILYWISE_CORRECTIONS = frozenset({"bonferroni", "holm", "hochberg", "hommel", "dunnett"})


def is_better_adjusted(row: Comparison, experiment: Experiment) -> bool:
    """Whether a primary is better at α/(S·T), or by Holm: its adjusted interval lies on the good side of 0.

    A Bayesian one must be better with probability 1 − α/(S·T), at an expected loss below its threshold.
    """
    level = split_level(experiment)
    if experiment.analysis.method == "bayesian":
        return is_better_bayesian(row, experiment, level)
    is_clear = row.is_computed and row.improvement_bound > 0
    return is_clear and (experiment.analysis.correction in FAMILYWISE_CORRECTIONS or row.p_value < level)


def is_better_alone(row: Comparison, experiment: Experiment) -> bool:
    """Whether a primary is better at the full α: its plain interval lies on the good side of 0."""
    if experiment.analysis.method == "bayesian":
        return is_better_bayesian(row, experiment, experiment.analysis.alpha)
    return row.is_computed and row.plain_improvement_bound > 0


def is_better_bayesian(row: Comparison, experiment: Experiment, level: float) -> bool:
    """Whether the effect is an improvement with probability 1 − level, and choosing it loses little.

    With a flat prior the first is a one-sided test, which bounds the false ships; the second is the decision's
    own threshold.
    """
    options = experiment.analysis.bayesian
    if options is None or not row.is_computed:
        return False
    loss = row.expected_loss_relative if options.scale == "relative" else row.expected_loss
    return row.probability_better >= 1 - level and loss <= options.expected_loss_threshold


def is_within_margin(row: Comparison, experiment: Experiment) -> bool:
    """Whether a metric is non-inferior at one-sided α, unadjusted; without a p-value it is not.

    A level can be proven without an estimated effect: no arm had any failure.
    """
    return row.p_value_non_inferiority < experiment.analysis.alpha


def has_deteriorated(row: Comparison, experiment: Experiment) -> bool:
    """Whether a metric is worse at the level of each deterioration test."""
    return row.is_computed and row.p_value_deterioration < deterioration_level(experiment)


def detectable_effect(row: Comparison, experiment: Experiment) -> tuple[float, float]:
    """`minimum_detectable_effect` in the metric's unit, and the pooled standard error."""
    relative = experiment.analysis.minimum_detectable_effect
    return (math.nan if relative is None else relative) * abs(row.baseline_mean), row.effect_se_pooled


def margin_distance(row: Comparison, experiment: Experiment) -> tuple[float, float]:
    """The distance from no change to the margin in the metric's unit, and the margin test's pooled standard error.

    The variances of a unit are taken as alike in both arms. A relative margin moves with the baseline; a level has
    no baseline noise, and its distance is from the observed baseline.
    """
    base, sign = row.baseline_mean, row.sign
    n_b, n_t = row.n_baseline, row.n_treatment
    if not (n_b > 0 and n_t > 0):
        return math.nan, math.nan
    of_unit = row.effect_se_pooled**2 / (1 / n_b + 1 / n_t)
    if row.margin_type == "level":
        return sign * (base - row.margin), math.sqrt(of_unit / n_t)
    if row.margin_type == "relative":
        moving = 1 - sign * row.margin * math.copysign(1, base)
        return row.margin * abs(base), math.sqrt(of_unit * (1 / n_t + moving**2 / n_b))
    return row.margin, row.effect_se_pooled


def adjusted_test(row: Comparison) -> float:
    """How many standard errors the effect must be from 0 for its adjusted interval to exclude 0."""
    return _half_width(row.ci_low_adjusted, row.ci_high_adjusted, row)


def plain_test(row: Comparison) -> float:
    """How many standard errors the effect must be from 0 for its unadjusted interval to exclude 0."""
    return _half_width(row.ci_low, row.ci_high, row)


def _half_width(low: float, high: float, row: Comparison) -> float:
    return (high - low) / 2 / row.effect_se if row.effect_se > 0 else math.nan
