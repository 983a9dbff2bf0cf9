"""Checks of an experiment's `analysis` against its metrics, treatments and dates."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from configs.analysis_schema import METHOD_BLOCKS
from configs.bootstrap_checks import check_bootstraps
from configs.category_checks import check_categories
from configs.epoch_checks import check_epochs
from configs.problems import did_you_mean
from configs.quantile_checks import check_quantiles
from configs.schema import Experiment, Metric
from configs.strata_checks import check_strata
from configs.supported import Finding
from configs.yaml_document import Location

# What keeps a method's error rate when families are corrected, and why others don't.
_CORRECTIONS = {
    "always_valid": (
        ("none", "bonferroni", "holm", "benjamini_yekutieli"),
        "always-valid p-values of one experiment may depend on each other in any way",
    ),
    "group_sequential": (("none", "bonferroni"), "a rejection at one look must not change the bounds of another"),
    "bayesian": (("none", "bonferroni", "holm"), "posterior probabilities are no p-values"),
}


def check_analysis(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """What the options of `analysis` ask of each other and of the rest of the experiment."""
    yield from _check_power(experiment)
    yield from _check_correction(experiment)
    yield from _check_method(experiment)
    yield from _check_alternative(experiment)
    yield from _check_equivalence(experiment)
    yield from _check_goal_margins(experiment)
    yield from check_quantiles(experiment, metrics)
    yield from check_bootstraps(experiment, metrics)
    yield from check_categories(experiment, metrics)
    yield from check_strata(experiment)
    yield from check_epochs(experiment, metrics)
    if experiment.analysis.method == "group_sequential":
        yield from _check_looks(experiment, metrics)
        yield from _check_windows(experiment, metrics)
    for index, segment in enumerate(experiment.preregistered_segments):
        if segment not in experiment.segments:
            hint = did_you_mean(segment, experiment.segments, "segments of this experiment")
            yield ("preregistered_segments", index), f"{segment!r} isn't one of `segments`{hint}"


def _check_power(experiment: Experiment) -> Iterator[Finding]:
    """Half of alpha is spent on tests of deterioration; a plan must leave some risk for everything else."""
    alpha, power = experiment.analysis.alpha, experiment.analysis.power
    if power >= 1 - alpha / 2:
        yield (
            ("analysis", "power"),
            f"no sample size reaches power {power:g} with alpha {alpha:g}: the tests of deterioration alone may stop"
            f" a good treatment with probability alpha/2; choose a power below {1 - alpha / 2:g}",
        )


def _check_goal_margins(experiment: Experiment) -> Iterator[Finding]:
    """`do_no_harm` holds every goal to a margin; no other rule does."""
    rule, at = experiment.decision.rule, ("decision", "margins")
    listed = [margin.metric for margin in experiment.decision.margins]
    if rule != "do_no_harm":
        if listed:
            yield at, f"`margins` of goals belong to rule do_no_harm, not {rule}; drop them"
        return
    for index, metric_id in enumerate(listed):
        if metric_id not in experiment.metrics.primary:
            hint = did_you_mean(metric_id, experiment.metrics.primary, "primary metrics of this experiment")
            yield (*at, index, "metric"), f"{metric_id!r} isn't a primary metric; a guardrail has its own margin{hint}"
        elif metric_id in listed[:index]:
            yield (*at, index, "metric"), f"{metric_id!r} has two margins; keep one"
    missing = [metric_id for metric_id in experiment.metrics.primary if metric_id not in listed]
    if missing:
        yield (
            ("decision", "margins") if listed else ("decision", "rule"),
            f"rule do_no_harm proves that no goal is harmed, so each needs a margin; add {', '.join(missing)} to"
            " `decision.margins`, for example {metric: " + missing[0] + ", non_inferiority_margin: 0.02}",
        )


def _check_correction(experiment: Experiment) -> Iterator[Finding]:
    """Decisions split alpha whatever the correction; the scorecard must not call significant what they don't."""
    analysis, at = experiment.analysis, ("analysis", "correction")
    comparisons = len(experiment.metrics.primary) * len(experiment.treatments)
    known, why = _CORRECTIONS.get(analysis.method, ((analysis.correction,), ""))
    if analysis.correction not in known:
        yield (
            at if "correction" in analysis.model_fields_set else ("analysis", "method"),
            f"correction {analysis.correction} doesn't go with method {analysis.method}: {why};"
            f" set correction to {' or '.join(name for name in known if name != 'none')}",
        )
    if analysis.correction == "none" and comparisons > 1:
        use = "holm or bonferroni" if "holm" in known or analysis.method == "fixed" else "bonferroni"
        yield (
            at,
            f"{comparisons} comparisons of primary metrics and treatments need a correction: without one, chance"
            f" alone makes some significant; use {use}",
        )


def _check_method(experiment: Experiment) -> Iterator[Finding]:
    analysis = experiment.analysis
    for name in METHOD_BLOCKS:
        if name != analysis.method and getattr(analysis, name) is not None:
            yield ("analysis", name), f"options of {name}, but the method is {analysis.method}; drop them or change it"
    if analysis.method == "group_sequential" and analysis.group_sequential is None:
        yield (
            ("analysis", "method"),
            "group_sequential needs its planned sample size: add `group_sequential: {planned_units: …}`, the matured"
            " units over all variants at the planned end",
        )
    elif analysis.method in METHOD_BLOCKS and getattr(analysis, analysis.method) is None:
        yield ("analysis", analysis.method), "expected options, got nothing; leave the key out for their defaults"
    if analysis.proportion_interval == "newcombe" and analysis.method != "fixed":
        yield (
            ("analysis", "proportion_interval"),
            f"newcombe intervals hold at one planned look, method {analysis.method} needs wald",
        )
    if analysis.relative_interval == "fieller" and analysis.method != "fixed":
        yield (
            ("analysis", "relative_interval"),
            f"fieller intervals hold at one planned look, method {analysis.method} needs auto or delta",
        )


def _check_alternative(experiment: Experiment) -> Iterator[Finding]:
    analysis, at = experiment.analysis, ("analysis", "alternative")
    if analysis.alternative == "two_sided":
        return
    if analysis.method != "fixed":
        yield at, f"alternative {analysis.alternative} goes with method fixed, not with {analysis.method}"
    elif analysis.correction == "dunnett":
        yield at, f"alternative {analysis.alternative} doesn't go with correction dunnett; use holm"


def _check_equivalence(experiment: Experiment) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, entry in enumerate(experiment.analysis.equivalence):
        at: Location = ("analysis", "equivalence", index, "metric")
        if entry.metric not in experiment.metrics.roles:
            hint = did_you_mean(entry.metric, experiment.metrics.roles, "metrics of this experiment")
            yield at, f"the equivalence test is about {entry.metric!r}, not a metric of this experiment{hint}"
        if entry.metric in seen:
            yield at, f"{entry.metric!r} has two equivalence tests"
        seen.add(entry.metric)


def _check_looks(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    options = experiment.analysis.group_sequential
    windows = [metrics[id_].window for id_ in experiment.metrics.roles if id_ in metrics]
    last = experiment.end + timedelta(days=max((window.end_days for window in windows if window), default=0))
    previous = None
    for index, look in enumerate(options.looks if options else ()):
        at: Location = ("analysis", "group_sequential", "looks", index)
        if not experiment.start <= look <= last:
            yield at, f"the look at {look} is outside {experiment.start} to {last}, when the last window has passed"
        elif previous is not None and look <= previous:
            yield at, f"the look at {look} doesn't come after the one at {previous}"
        previous = look


def _check_windows(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """A metric without a window keeps growing for old units, so that looks are no longer sums of new units."""
    for id_ in experiment.metrics.roles:
        if id_ in metrics and metrics[id_].window is None:
            yield (
                ("analysis", "method"),
                f"group_sequential needs metrics with a window, and {id_!r} has none: it keeps growing for units"
                " counted at earlier looks; give it a window, or use always_valid",
            )
