"""Checks of the pairs of segments that an experiment asks for."""

from collections.abc import Iterator

from configs.problems import did_you_mean
from configs.schema import Experiment
from configs.supported import Finding


def check_segment_pairs(experiment: Experiment) -> Iterator[Finding]:
    """Each pair is of two of the experiment's `segments`, and listed once, whichever comes first."""
    seen: set[frozenset[str]] = set()
    for index, pair in enumerate(experiment.segment_pairs):
        at = ("segment_pairs", index)
        for position, name in enumerate(pair):
            if name not in experiment.segments:
                hint = did_you_mean(name, experiment.segments, "segments of this experiment")
                yield (*at, position), f"a pair is of two `segments`; {name!r} is not one of them{hint}"
        if pair[0] == pair[1]:
            yield at, f"a pair needs two different segments, not {pair[0]!r} twice"
        elif frozenset(pair) in seen:
            yield at, f"the pair of {pair[0]!r} and {pair[1]!r} is listed twice"
        seen.add(frozenset(pair))
