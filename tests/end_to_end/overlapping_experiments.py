"""Forty experiments over the same units, whose logs hold one interaction, one segment, one novelty and one paradox.

Every unit is exposed to nearly all of them in the first day's noon hour, and spends once on each of three days since.
"""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from orchestration.workspace import Workspace

N_UNITS, N_EXPERIMENTS = 2_000, 40
DAYS = [date(2026, 10, 1) + timedelta(days=offset) for offset in range(4)]
EXPERIMENTS = [f"e{number:02d}" for number in range(N_EXPERIMENTS)]
SEGMENTED, FADING, PARADOX, INTERACTING = "e00", "e01", "e02", ("e10", "e20")

PROJECT = """\
name: overlapping
history_start: 2026-10-01
overlaps: {minimum_shared_units: 500}
"""
SOURCES = """\
exposures:
  - id: exposures
    path: exposures/{date}.parquet
    format: parquet
    columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}
    attributes: [country, device]
events:
  - id: orders
    path: orders/{date}.parquet
    format: parquet
    columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}
    measures: {amount: {column: amount, unit: EUR, decimals: 2}}
    allow_empty_days: true
"""
METRICS = """\
- {id: spend, type: mean, source: orders, event: order, aggregate: sum, measure: amount, window: {end_days: 1}}
"""
EXPERIMENT = """\
id: {id}
start: 2026-10-01
end: 2026-10-03
variants:
  - {{id: control, weight: 0.5, baseline: true}}
  - {{id: new, weight: 0.5}}
{options}metrics: {{primary: [spend]}}
analysis: {{minimum_days: 3, minimum_units: 50}}
"""
OPTIONS = {
    SEGMENTED: "segments: [country, device]\nsegment_pairs: [[country, device]]\n",
    FADING: "trends: {days: 3}\n",
    PARADOX: "segments: [country]\n",
}


def write(root: Path) -> tuple[Workspace, pd.DataFrame]:
    """Configuration and logs; and a row per unit with its arms (`e00`…, 1: new), attributes and spend by day."""
    workspace = Workspace(root / "configs", root / "data", root / "state")
    files = {"project.yaml": PROJECT, "sources.yaml": SOURCES, "metrics/orders.yaml": METRICS}
    files |= {f"experiments/{id_}.yaml": EXPERIMENT.format(id=id_, options=OPTIONS.get(id_, "")) for id_ in EXPERIMENTS}
    for name, text in files.items():
        path = workspace.configs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    units = make_units()
    write_logs(units, workspace.data)
    return workspace, units


def make_units() -> pd.DataFrame:
    """The truth: spend is 10 ± 1, and 3 more in FR; the effects are below."""
    random = np.random.default_rng(8)
    arms = pd.DataFrame(random.integers(0, 2, (N_UNITS, N_EXPERIMENTS)), columns=EXPERIMENTS)
    units = arms.assign(
        unit=[f"u{number}" for number in range(N_UNITS)],
        country=random.choice(["DE", "FR"], N_UNITS),
        device=random.choice(["mobile", "desktop"], N_UNITS),
        at=pd.Timestamp(DAYS[0])
        + pd.Timedelta(hours=12)
        + pd.to_timedelta(random.integers(0, 3600, N_UNITS), unit="s"),
    )
    is_french = units["country"] == "FR"
    spend = 10 + 3.0 * is_french.to_numpy()[:, None] + random.standard_normal((N_UNITS, 3))
    spend[:, 0] += 1.2 * (units[SEGMENTED] * is_french) + 0.2 * units[PARADOX]
    spend[:, 0] += 0.8 * units[INTERACTING[0]] * units[INTERACTING[1]]
    spend += units[FADING].to_numpy()[:, None] * [1.2, 0.6, 0.0]
    # Of the paradox a third of the French is missing in `new`, of the Germans in `control`: as many of either arm.
    units["is_lost"] = (units[PARADOX] == is_french) & (random.random(N_UNITS) < 1 / 3)
    return units.assign(**{f"spend_{day}": np.round(spend[:, day], 2) for day in range(3)})


def write_logs(units: pd.DataFrame, data: Path) -> None:
    """Exposures on the first day, an order on each of three days."""
    exposures = pd.concat(
        [
            units.loc[~units["is_lost"] | (id_ != PARADOX), ["unit", "at", "country", "device"]].assign(
                experiment=id_, variant=np.where(units.loc[~units["is_lost"] | (id_ != PARADOX), id_], "new", "control")
            )
            for id_ in EXPERIMENTS
        ]
    )
    for number, day in enumerate(DAYS):
        for folder in ("exposures", "orders"):
            (data / folder).mkdir(parents=True, exist_ok=True)
        exposures.iloc[: len(exposures) if number == 0 else 0].to_parquet(data / f"exposures/{day}.parquet")
        orders = pd.DataFrame(
            {
                "id": units["unit"] + f"-{number}",
                "unit": units["unit"],
                "name": "order",
                "at": units["at"] + pd.Timedelta(days=number, minutes=10),
                "amount": units[f"spend_{min(number, 2)}"],
            }
        )
        orders.iloc[: len(orders) if number < 3 else 0].to_parquet(data / f"orders/{day}.parquet")
