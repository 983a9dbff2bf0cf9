"""Experiments that must not share units while both of them run."""

from datetime import date
from itertools import permutations

from configs.schema import Config

Exclusion = tuple[str, str, date]


def exclusions(config: Config) -> list[Exclusion]:
    """(experiment, another of its exclusion group, the last day on which both run), both ways round, sorted.

    Experiments that ran one after the other may share units.
    """
    grouped = [one for one in config.experiments.values() if one.is_analysed and one.exclusion_group is not None]
    return sorted(
        (one.id, other.id, min(one.end, other.end))
        for one, other in permutations(grouped, 2)
        if one.exclusion_group == other.exclusion_group and one.start <= other.end and other.start <= one.end
    )
