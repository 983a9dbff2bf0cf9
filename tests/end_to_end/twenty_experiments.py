"""Twenty running experiments, each with units of its own, that share two logs; two have a log of their own as well.

Three log dates. `e20` harms its guardrail from the second one on; everybody else is harmless.
"""

import csv
import random
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from orchestration.workspace import Workspace

FIRST_DAY = date(2026, 10, 1)
DAYS = [FIRST_DAY + timedelta(days=offset) for offset in range(3)]
LAST_DAY = DAYS[-1]
EXPERIMENTS = [f"e{number:02}" for number in range(1, 21)]
UNITS, HARMED_UNITS = 48, 2_600
HARMED = "e20"

OWN_EXPOSURES, OWN_EVENTS = "e07", "e09"
"""Whose exposures, and whose metric, come from a log that no other experiment reads."""

SOURCES = """\
exposures:
  - id: web
    path: web/{date}.csv
    format: csv
    columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}
    attributes: [device]
  - id: app
    path: app/{date}.csv
    format: csv
    columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}
events:
  - id: orders
    path: orders/{date}.csv
    format: csv
    columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}
    measures: {amount: {column: amount, decimals: 2}}
  - id: coupons
    path: coupons/{date}.csv
    format: csv
    columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}
    properties: [channel]
"""

METRICS = """\
- {id: conversion, type: proportion, source: orders, event: purchase}
- {id: revenue, type: mean, source: orders, event: purchase, aggregate: sum, measure: amount}
- {id: errors, type: mean, source: orders, event: error, aggregate: count, direction: decrease}
"""

SPECIAL = {
    "e04": "- {id: special_e04, type: mean, source: orders, event: purchase, aggregate: max, measure: amount}\n",
    "e09": "- {id: special_e09, type: mean, source: coupons, event: coupon, aggregate: count,\n"
    "   where: [{property: channel, op: '=', value: mail}]}\n",
    "e13": "- {id: special_e13, type: ratio,\n"
    "   numerator: {source: orders, event: purchase, aggregate: sum, measure: amount},\n"
    "   denominator: {source: orders, event: purchase, aggregate: count}}\n",
}
"""Metrics that only one experiment has, each in a file of its own."""

EXPERIMENT = """\
id: {id}
start: {start}
end: {end}
exposure_source: {source}
variants:
  - {{id: a, weight: 0.5, baseline: true}}
  - {{id: b, weight: 0.5}}
metrics:
  primary: [conversion]
  secondary: [{secondary}]
  guardrail: [{{metric: errors, non_inferiority_margin: 0.5}}]
analysis: {{minimum_days: 1, minimum_units: 10}}
decision: {{rule: {rule}}}
"""

Row = tuple[object, ...]


def write_world(root: Path) -> Workspace:
    """Configuration and logs, in a folder with room for the state."""
    workspace = Workspace(root / "configs", root / "data", root / "state")
    files = {
        "project.yaml": f"name: twenty\nlate_arrival_days: 1\nhistory_start: {FIRST_DAY}\n",
        "sources.yaml": SOURCES,
        "metrics/shared.yaml": METRICS,
    }
    files |= {f"metrics/{id_}.yaml": text for id_, text in SPECIAL.items()}
    files |= {f"experiments/{id_}.yaml": _experiment(id_) for id_ in EXPERIMENTS}
    for name, text in files.items():
        path = workspace.configs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    chance = random.Random(5)
    for day in DAYS:
        _write_day(workspace, day, chance)
    return workspace


def _experiment(id_: str) -> str:
    secondary = ["revenue", f"special_{id_}"] if id_ in SPECIAL else ["revenue"]
    end = LAST_DAY if id_ == "e12" else LAST_DAY + timedelta(days=2)
    source = "app" if id_ == OWN_EXPOSURES else "web"
    # e10 begins with the last log date, so that a log of that day can leave one of its arms without any unit.
    start = LAST_DAY if id_ == "e10" else FIRST_DAY
    rule = "clear_signals" if id_ == "e12" else "risk_aware"
    return EXPERIMENT.format(id=id_, start=start, end=end, source=source, secondary=", ".join(secondary), rule=rule)


def _write_day(workspace: Workspace, day: date, chance: random.Random) -> None:
    exposures: dict[str, list[Row]] = {"web": [], "app": []}
    orders, coupons = [], []
    for id_ in EXPERIMENTS:
        exposed_on = LAST_DAY if id_ == "e10" else FIRST_DAY
        for number in range(HARMED_UNITS if id_ == HARMED else UNITS):
            unit, variant = f"{id_}-{number}", "ab"[number % 2]
            if day == exposed_on:
                source = "app" if id_ == OWN_EXPOSURES else "web"
                device = ["phone", "laptop"][number // 2 % 2]
                exposures[source].append((unit, id_, variant, f"{day}T08:00:00Z", device))
            if chance.random() < 0.5:
                amount = round(chance.uniform(5, 50), 2)
                orders.append((f"{day}-{unit}", unit, "purchase", f"{day}T12:00:00Z", amount))
            fails = 0.6 if id_ == HARMED and variant == "b" and day > FIRST_DAY else 0.2
            if chance.random() < fails:
                orders.append((f"{day}-{unit}-error", unit, "error", f"{day}T13:00:00Z", ""))
            if id_ == OWN_EVENTS and chance.random() < 0.5:
                coupons.append((f"{day}-{unit}", unit, "coupon", f"{day}T11:00:00Z", chance.choice(["mail", "web"])))
    for source, rows in exposures.items():
        write_log(workspace.data / source / f"{day}.csv", "unit,experiment,variant,at,device", rows)
    write_log(workspace.data / "orders" / f"{day}.csv", "id,unit,name,at,amount", orders)
    write_log(workspace.data / "coupons" / f"{day}.csv", "id,unit,name,at,channel", coupons)


def write_log(path: Path, header: str, rows: Iterable[Row]) -> None:
    """A CSV log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def add_rows(path: Path, rows: Iterable[Row]) -> None:
    """More rows at the end of a CSV log."""
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
