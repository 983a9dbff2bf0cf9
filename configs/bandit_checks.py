"""Checks of an experiment with `bandit` against its variants, metrics and analysis."""

import math
from collections.abc import Iterator, Mapping

from configs.problems import did_you_mean
from configs.schema import Experiment, ExposureSource, Metric
from configs.supported import Finding

BATCHED_TYPES = ("proportion", "mean", "retention")
"""Metrics whose moments are kept by batch."""


def check_bandit(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    """What `bandit` asks of the rest of the experiment; nothing of experiments without."""
    bandit = experiment.bandit
    if bandit is None:
        if experiment.type == "bandit":
            yield ("type",), "a bandit needs `bandit: {reward: <metric>}`: what its units are allocated by"
        return
    if experiment.type != "bandit":
        yield ("type",), f"`bandit` is of type bandit, not {experiment.type}"
    yield from _check_shares(experiment)
    yield from _check_metrics(experiment, metrics)
    yield from _check_policies(experiment)
    yield from _check_rest(experiment)


def _check_shares(experiment: Experiment) -> Iterator[Finding]:
    bandit, arms = experiment.bandit, len(experiment.variants)
    assert bandit is not None
    if bandit.floor > 1 / arms + 1e-12:
        yield ("bandit", "floor"), f"{arms} variants cannot each get {bandit.floor:g}; at most {1 / arms:.4g}"
    for index, variant in enumerate(experiment.variants):
        if variant.weight < bandit.floor - 1e-12:
            message = f"{variant.id!r} starts below the floor of {bandit.floor:g}; raise its weight"
            yield ("variants", index, "weight"), message
    if experiment.allocation:
        yield ("allocation",), "a bandit's allocation is computed each day, from the variants' weights on; drop it"


def _check_metrics(experiment: Experiment, metrics: Mapping[str, Metric]) -> Iterator[Finding]:
    bandit = experiment.bandit
    assert bandit is not None
    primary = experiment.metrics.primary
    if bandit.reward not in primary:
        hint = did_you_mean(bandit.reward, primary, "primary metrics of this experiment")
        yield (
            ("bandit", "reward"),
            f"{bandit.reward!r} isn't a primary metric: what units are allocated by decides{hint}",
        )
    reward = metrics.get(bandit.reward)
    if reward is not None and reward.window is None:
        yield ("bandit", "reward"), f"{bandit.reward!r} has no window: early batches would have had longer to earn"
    for role in ("primary", "guardrail"):
        for index, id_ in enumerate(id_ for id_, each in experiment.metrics.roles.items() if each == role):
            metric = metrics.get(id_)
            if metric is not None and (metric.type not in BATCHED_TYPES or metric.bootstrap is not None):
                kind = "bootstrapped" if metric.type in BATCHED_TYPES else f"a {metric.type}"
                yield (
                    ("metrics", role, index),
                    f"{id_!r} is {kind}, which a bandit has no inference for; make it secondary",
                )
    for index, guardrail in enumerate(experiment.metrics.guardrail):
        if guardrail.absolute_margin is None:
            yield (
                ("metrics", "guardrail", index),
                "a bandit's guardrail has an `absolute_margin`: arms' means are of other days",
            )


def check_propensity(experiment: Experiment, source: ExposureSource) -> Iterator[Finding]:
    """The exposure source keeps the attribute that has the logged propensity."""
    name = experiment.bandit.propensity if experiment.bandit is not None else None
    if name is not None and name not in source.attributes:
        hint = did_you_mean(name, source.attributes, "attributes")
        yield ("bandit", "propensity"), f"exposure source {source.id!r} has no attribute {name!r}{hint}"


def _check_policies(experiment: Experiment) -> Iterator[Finding]:
    bandit = experiment.bandit
    assert bandit is not None
    ids = [variant.id for variant in experiment.variants]
    listed = [policy.id for policy in bandit.policies]
    for index, policy in enumerate(bandit.policies):
        at = ("bandit", "policies", index)
        if policy.id in listed[:index]:
            yield (*at, "id"), f"policy {policy.id!r} is there twice"
        for name in sorted(policy.shares.keys() - set(ids)):
            yield (*at, "shares", name), f"unknown variant {name!r}{did_you_mean(name, ids, 'variants')}"
        total = math.fsum(policy.shares.values())
        if abs(total - 1) > 1e-9:
            yield (*at, "shares"), f"the policy's shares sum to {total:.12g}, not to 1"


def _check_rest(experiment: Experiment) -> Iterator[Finding]:
    analysis = experiment.analysis
    for name, chosen, asked in (
        ("method", analysis.method, "fixed"),
        ("alternative", analysis.alternative, "two_sided"),
    ):
        if chosen != asked:
            yield ("analysis", name), f"a bandit is decided once, {asked}; {name} {chosen!r} is not for it"
    if analysis.correction == "dunnett":
        yield ("analysis", "correction"), "dunnett is of arms that share a split; a bandit takes holm"
    if analysis.equivalence:
        yield ("analysis", "equivalence"), "a bandit has no test of equivalence"
    if experiment.strata:
        yield ("analysis", "adjustment"), "a bandit's effects are not adjusted by strata"
    if experiment.segments:
        yield ("segments",), "a bandit has no effects by segment: batches of a segment are too small"
    if experiment.trends is not None:
        yield ("trends",), "arms of a bandit got their units on different days; it has no trends"
    if experiment.trigger is not None:
        yield ("trigger",), "a bandit is allocated by everyone exposed; drop the trigger"
    if experiment.hashing is not None:
        yield ("hashing",), "a bandit's buckets change each day, so that no hashing can be held against its log"
    if experiment.decision.rule == "do_no_harm" and any(m.absolute_margin is None for m in experiment.decision.margins):
        yield ("decision", "margins"), "a bandit's margins are an `absolute_margin`"
