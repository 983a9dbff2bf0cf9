"""Simulated logs dealt out: one population without any fault, a part of which belongs to each experiment.

Every unit is in one experiment alone, so that what is done to the rows of one changes nothing for another. Its arm is
the declared hash of its id. Treated units spend three times as much: an experiment without a fault ships.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.simulation.simulator import simulate
from configs.schema import Config, Experiment, Metric, Project, Sources
from configs.simulation_schema import Scenario
from tests.fault_injection.fault import HISTORY_START, LAST, Fault, Logs, day

EFFECT = 3.0
SOURCES = Sources.model_validate(
    {
        "exposures": [
            {
                "id": "web", "path": "web/{date}.parquet", "format": "parquet", "attributes": ["device"],
                "columns": {
                    "unit_id": "unit", "experiment_id": "experiment", "variant_id": "variant", "exposed_at": "at"
                },
            }
        ],
        "events": [
            {
                "id": "orders", "path": "orders/{date}.parquet", "format": "parquet", "properties": ["channel"],
                "columns": {"event_id": "id", "unit_id": "unit", "event_name": "name", "occurred_at": "at"},
                "measures": {"amount": {"column": "amount", "decimals": 2}},
            }
        ],
    }
)  # fmt: skip
SCENARIO = Scenario.model_validate(
    {
        "population": {"visits_per_day": 0.8, "activity_shape": 3, "new_unit_share": 0.5},
        "attributes": {"device": {"phone": {"share": 0.5}, "laptop": {"share": 0.5}}},
        "events": {
            "purchase": {
                "probability": 0.8, "heterogeneity": 0.2, "properties": {"channel": {"web": 0.5, "app": 0.5}},
                "measures": {"amount": {"mean": 20, "sigma": 0.2, "unit_sigma": 0.2}},
            },
            "error": {"probability": 0.3, "heterogeneity": 0.2},
        },
        # Rows come late and twice. Broken ones are left out: one of few would be a fault of its own.
        "rows": {"late": 0.01, "too_late": 0.0003, "duplicate": 0.005, "malformed": 0},
    }
)  # fmt: skip


def dealt_logs(faults: Mapping[str, Fault], seed: int) -> dict[str, Logs]:
    """The clean logs of each experiment, by its name."""
    edges = np.cumsum([fault.units for fault in faults.values()])
    exposures, orders = _simulated(int(edges[-1]), seed)
    owner = {name: number for number, name in enumerate(faults)}
    by_owner = []
    for frame in (exposures, orders):
        numbers = frame["unit"].str[1:].astype("int64").to_numpy() - 1
        dealt = frame.assign(owner=np.searchsorted(edges, numbers, side="right")).sort_values("owner", kind="stable")
        bounds = np.searchsorted(dealt["owner"].to_numpy(), np.arange(len(faults) + 1))
        by_owner.append([dealt.iloc[bounds[n] : bounds[n + 1]].drop(columns="owner") for n in owner.values()])
    return {name: _own(name, faults[name], *(frames[number] for frames in by_owner)) for name, number in owner.items()}


def _simulated(units: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All exposures and orders, with the log date that brought them: everybody who visits is exposed."""
    window = {"end_days": 1}
    metrics = {
        "revenue": Metric(
            id="revenue", type="mean", source="orders", event="purchase", aggregate="sum", measure="amount",
            window=window,
        ),
        "errors": Metric(
            id="errors", type="mean", source="orders", event="error", aggregate="count", window=window
        ),
    }  # fmt: skip
    everybody = Experiment(
        id="everybody", start=day(1), end=day(LAST), exposure_source="web",
        variants=[{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.5}],
        metrics={"primary": ["revenue", "errors"]},
    )  # fmt: skip
    project = Project(name="faults", history_start=HISTORY_START, late_arrival_days=1)
    config = Config(project=project, sources=SOURCES, metrics=metrics, experiments={"everybody": everybody})
    simulation = simulate(config, SCENARIO, units=units, days=LAST, seed=seed)
    logs: dict[str, list[pd.DataFrame]] = {"web": [], "orders": []}
    for simulated in simulation.days():
        for source, frames in logs.items():
            frames.append(simulated.logs[source].assign(log_date=simulated.log_date))
    exposures, orders = (pd.concat(frames, ignore_index=True) for frames in logs.values())
    return exposures, orders


def _own(name: str, fault: Fault, exposures: pd.DataFrame, orders: pd.DataFrame) -> Logs:
    start = pd.Timestamp(day(fault.start))
    exposures = exposures[exposures["at"] >= start]
    arms = {unit: arm_of(name, unit, fault.weights) for unit in pd.concat([exposures["unit"], orders["unit"]]).unique()}
    exposures = exposures.assign(experiment=name, variant=exposures["unit"].map(arms))
    is_treated = (orders["unit"].map(arms) == "b") & (orders["at"] >= start)
    amount = orders["amount"].where(~is_treated, (orders["amount"] * EFFECT).round(2))
    return Logs(exposures.reset_index(drop=True), orders.assign(amount=amount).reset_index(drop=True))


def arm_of(experiment: str, unit: str, weights: tuple[tuple[str, float], ...] = (("a", 0.5), ("b", 0.5))) -> str:
    """The variant that the experiment's declared hashing gives a unit."""
    bucket = int(hashlib.md5(f"{experiment}:{unit}".encode()).hexdigest()[:8], 16) % 10_000
    edges = np.cumsum([weight for _, weight in weights]) * 10_000
    return weights[int(np.searchsorted(edges, bucket, side="right"))][0]
