"""Checks of a switchback against its dates, exposure source, metrics and analysis."""

from collections.abc import Iterator, Mapping

from configs.design_schema import MINUTES_OF_DAY
from configs.problems import did_you_mean
from configs.quasi_checks import OF_RANDOMISED_UNITS, problem_by_period
from configs.schema import Experiment, ExposureSource, Metric, Switchback
from configs.supported import Finding

TYPE = "switchback"


def check_switchback(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """What a switchback asks of the rest of the experiment, and that no other type has its block."""
    design = experiment.switchback
    if experiment.type != TYPE:
        if design is not None:
            yield (TYPE,), f"'switchback' goes with type switchback, not {experiment.type}; drop it or change the type"
        return
    if design is None:
        yield ("type",), "type switchback needs a block `switchback:` that says what its periods are"
        return
    if len(experiment.variants) != 2:
        yield ("variants",), f"a switchback switches between two variants, not {len(experiment.variants)}"
    yield from _check_periods(experiment, design)
    yield from _check_options(experiment)
    yield from _check_metrics(experiment, metrics)


def _check_periods(experiment: Experiment, design: Switchback) -> Iterator[Finding]:
    minutes, carryover = design.period_minutes, design.carryover_periods
    if MINUTES_OF_DAY % minutes:
        yield (TYPE, "period_minutes"), f"periods of {minutes} minutes don't make a day: take a divisor of 1440"
        return
    periods = ((experiment.end - experiment.start).days + 1) * MINUTES_OF_DAY // minutes
    if design.block_periods is None:
        if carryover and (periods % carryover or periods < 4 * carryover):
            yield (
                (TYPE, "carryover_periods"),
                f"{periods} periods are no multiple of {carryover}, or fewer than 4 times it, so there are no best"
                " blocks: give `block_periods`, or other dates",
            )
    elif design.block_periods <= carryover:
        yield (
            (TYPE, "block_periods"),
            f"blocks of {design.block_periods} periods have none left after a carryover of {carryover}: make them"
            " longer, or drop `block_periods` for Horvitz-Thompson",
        )
    elif periods < 4 * design.block_periods:
        yield (
            (TYPE, "block_periods"),
            f"{periods} periods are fewer than 4 blocks of {design.block_periods}: take shorter blocks or more days",
        )


def _check_options(experiment: Experiment) -> Iterator[Finding]:
    for name in (*OF_RANDOMISED_UNITS, "factors", "bandit", "cluster"):
        if getattr(experiment, name):
            yield (name,), f"{name!r} is of units that keep a variant: drop it from a switchback"
    analysis = experiment.analysis
    for name, chosen, asked in (
        ("method", analysis.method, "fixed"),
        ("alternative", analysis.alternative, "two_sided"),
    ):
        if chosen != asked:
            yield ("analysis", name), f"a switchback is compared once, {asked}; {name} {chosen!r} is not for it"
    refused = (
        ("correction", analysis.correction == "dunnett", "dunnett is of independent units; take holm"),
        ("equivalence", bool(analysis.equivalence), "a switchback has no test of equivalence"),
        ("adjustment", analysis.adjustment == "post_stratification", "a switchback is not adjusted by strata"),
    )
    for name, is_asked, message in refused:
        if is_asked:
            yield ("analysis", name), message
    for index, guardrail in enumerate(experiment.metrics.guardrail):
        if guardrail.absolute_margin is None:
            yield ("metrics", "guardrail", index), "a guardrail of a switchback has an `absolute_margin`"
    if experiment.decision.rule == "do_no_harm" and any(m.absolute_margin is None for m in experiment.decision.margins):
        yield ("decision", "margins"), "a margin of a switchback is an `absolute_margin`"


def _check_metrics(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    for role in ("primary", "secondary", "guardrail"):
        for index, id_ in enumerate(id_ for id_, each in experiment.metrics.roles.items() if each == role):
            problem = _problem_of(metrics[id_]) if id_ in metrics else None
            if problem:
                at = ("metrics", role, index, "metric") if role == "guardrail" else ("metrics", role, index)
                yield at, f"metric {id_!r} {problem}"


def _problem_of(metric: Metric) -> str | None:
    over = "units, and a switchback sums up periods"
    return problem_by_period(metric, "switchback", "counts events in their period", over)


def check_switchback_attribute(experiment: Experiment, source: ExposureSource) -> Iterator[Finding]:
    """The exposure source keeps the attribute that names the markets."""
    attribute = experiment.switchback.attribute if experiment.switchback is not None else None
    if attribute is not None and attribute not in source.attributes:
        hint = did_you_mean(attribute, source.attributes, "attributes")
        yield (TYPE, "attribute"), f"exposure source {source.id!r} has no attribute {attribute!r}{hint}"
