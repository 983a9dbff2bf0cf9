"""The population behind a trigger: everyone exposed, kept under an id of its own beside the triggered units."""

from collections.abc import Mapping

from configs.catalog import Entry, definition_hash, normalised_conditions
from configs.schema import DILUTABLE, Config, Experiment, ExperimentMetrics, Metric, Trigger


def everyone(experiment: Experiment, metrics: Mapping[str, Metric]) -> Experiment:
    """The experiment without its trigger, with the metrics whose mean over everyone is asked for."""
    kept = sorted(
        id_
        for id_ in experiment.metrics.roles
        if id_ in metrics and metrics[id_].type in DILUTABLE and metrics[id_].bootstrap is None
    )
    own = {
        "id": experiment.everyone_id,
        "trigger": None,
        "segments": (),
        "metrics": ExperimentMetrics.model_construct(primary=tuple(kept), secondary=(), guardrail=()),
    }
    return experiment.model_copy(update=own)


def populations(config: Config) -> list[Experiment]:
    """Every experiment, and behind one with a trigger everyone, in the order of their ids."""
    found = []
    for _, experiment in sorted(config.experiments.items()):
        found.append(experiment)
        if experiment.trigger is not None:
            found.append(everyone(experiment, config.metrics))
    return found


def trigger_entry(trigger: Trigger) -> Entry:
    """The trigger's events, as the catalog has those of a component."""
    definition: Entry = {
        "source_id": trigger.source,
        "event_name": trigger.event,
        "where": normalised_conditions(trigger.where),
    }
    return {"trigger_hash": definition_hash(definition, 12)} | definition


def populations_entry(config: Config) -> Entry:
    """What restricts populations: triggers of analysed experiments, each once, and whether units are held out."""
    analysed = [one for one in config.experiments.values() if one.is_analysed]
    entries = {
        entry["trigger_hash"]: entry for one in analysed if one.trigger for entry in [trigger_entry(one.trigger)]
    }
    return {
        "triggers": [entries[hash_] for hash_ in sorted(entries)],
        "has_holdouts": any(one.held_out for one in analysed),
    }
