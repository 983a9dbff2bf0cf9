"""Lifecycle events: what an experiment's decisions ask its lifecycle to do while units still enter it."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.periods import as_days
from configs.schema import Experiment

GUARDRAIL_STOP, HARM_STOP = "guardrail_stop", "harm_stop"

EVENT_COLUMNS = {
    "as_of_date": "datetime64[us]",
    "experiment_id": "str",
    "event": "str",
    "action": "str",
    "variant_id": "str",
    "evidence": "str",
    "message": "str",
}
EVIDENCE = ("metric_id", "variant_id", "rule", "value", "threshold", "message")


def lifecycle_events(decisions: pd.DataFrame, experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    """A row for each experiment whose decision became `rollback` by its end date, at the first such as-of date.

    `event` is `guardrail_stop` where a guardrail is among what got worse, else `harm_stop`; `action` is what to do.
    `evidence` is a JSON list with an object for each metric that got worse: what the decision's reasons say of it,
    and its role. A function of the decisions alone: rows of later dates never change those of earlier ones.
    """
    found = decisions.assign(as_of_date=as_days(decisions["as_of_date"]))
    ends = found["experiment_id"].map({one.id: pd.Timestamp(one.end) for one in experiments.values()})
    is_stop = (found["recommendation"] == "rollback") & (found["as_of_date"] <= pd.to_datetime(ends))
    first = found[is_stop].sort_values("as_of_date").drop_duplicates("experiment_id")
    rows = [_event(row, experiments[row["experiment_id"]]) for row in first.to_dict("records")]
    frame = pd.DataFrame(rows, columns=list(EVENT_COLUMNS)).astype(EVENT_COLUMNS)
    return frame.sort_values(["as_of_date", "experiment_id"], ignore_index=True)


def _event(decision: Mapping[Any, Any], experiment: Experiment) -> dict[str, Any]:
    roles = experiment.metrics.roles
    evidence = [
        {"role": roles.get(reason["metric_id"])} | {name: reason[name] for name in EVIDENCE}
        for reason in json.loads(decision["reasons"])
        if reason["outcome"] == "rollback"
    ]
    is_guardrail = any(found["role"] == "guardrail" for found in evidence)
    return {
        "as_of_date": decision["as_of_date"],
        "experiment_id": experiment.id,
        "event": GUARDRAIL_STOP if is_guardrail else HARM_STOP,
        "action": "rollback",
        "variant_id": decision["variant_id"],
        "evidence": json.dumps(evidence),
        "message": decision["summary"],
    }
