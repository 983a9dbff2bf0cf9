"""Checks of the holdouts that an experiment respects, against the other experiments."""

from collections.abc import Collection, Iterator, Mapping

from configs.problems import did_you_mean
from configs.schema import Experiment
from configs.supported import Finding


def check_holdouts(
    experiment: Experiment, experiments: Mapping[str, Experiment], broken: Collection[str]
) -> Iterator[Finding]:
    """Each is an experiment of type holdout on the same exposure log; `broken` ones are reported where they are."""
    for index, id_ in enumerate(experiment.holdouts):
        at = ("holdouts", index)
        if id_ in experiment.holdouts[:index]:
            yield at, f"{id_!r} is listed twice in holdouts"
        if id_ in broken:
            continue
        holdout = experiments.get(id_)
        if holdout is None:
            known = [one.id for one in experiments.values() if one.type == "holdout"]
            yield at, f"unknown holdout {id_!r}{did_you_mean(id_, known, 'holdouts')}"
        elif holdout.type != "holdout":
            yield at, f"{id_!r} is of type {holdout.type}, not holdout"
        elif holdout.exposure_source != experiment.exposure_source:
            yield at, f"{id_!r} reads another exposure source; units must be held out by the log that exposes them"
