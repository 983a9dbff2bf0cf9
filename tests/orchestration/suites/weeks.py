"""Three weeks of a small shop's logs in a lake, and the workspace that they are in."""

from datetime import timedelta
from pathlib import Path

import numpy as np

from configs.suite_schema import Suite
from orchestration.workspace import Workspace
from tests.orchestration.ingest_case import EXPOSURE_HEADER, HEADER, LOG_DATE, Shop, event_source, exposure_source

DAYS = [LOG_DATE + timedelta(days=offset) for offset in range(21)]
CONFIGS = {
    "project.yaml": "name: shop\nhistory_start: 2026-10-05\n",
    "sources.yaml": """\
exposures:
  - id: web_exposures
    path: exposures/{date}/*
    format: csv
    columns: {unit_id: user_id, experiment_id: experiment, variant_id: variant, exposed_at: ts}
    attributes: [country]
events:
  - id: shop_events
    path: events/{date}/*
    format: csv
    columns: {event_id: event_id, unit_id: user_id, event_name: name, occurred_at: ts}
    measures: {amount: {column: amount, decimals: 2}}
    properties: [channel]
""",
}


def three_weeks(root: Path) -> Workspace:
    """Weekends have half the rows; on the tenth day a channel is misspelt and amounts are in cents."""
    shop, rng = Shop(root / "state"), np.random.default_rng(1)
    for number, day in enumerate(DAYS):
        write_events(shop, rng, number)
        rows = [f"u{i},checkout,fast,{day}T10:00:00Z,{'DE' if i % 3 else 'FR'}\n" for i in range(60)]
        shop.write("a.csv", EXPOSURE_HEADER + "".join(rows), day, kind="exposures")
    shop.ingest_days(event_source(), DAYS)
    shop.ingest_days(exposure_source(), DAYS)
    for name, text in CONFIGS.items():
        (root / "configs").mkdir(exist_ok=True)
        (root / "configs" / name).write_text(text)
    return Workspace(root / "configs", root / "state" / "data", root / "state")


def write_events(shop: Shop, rng: np.random.Generator, number: int, *, scale: float = 1.0) -> None:
    """The log of a day, by its number from 0."""
    day, is_spoiled = DAYS[number], number == 9
    n_rows = int(scale * rng.uniform(380, 420) * (0.5 if day.weekday() >= 5 else 1.0))
    amounts = np.round(rng.lognormal(3.4, 0.5, n_rows) * (100 if is_spoiled else 1), 2)
    channels = ("wbe", "wbe") if is_spoiled else ("web", "app")
    lines = [
        f"{day}-{i},user{i % 120},purchase,{day}T10:00:00Z,{amounts[i]},{channels[i % 2]}\n"
        if i % 3 == 0
        else f"{day}-{i},user{i % 120},view,{day}T11:00:00Z,,\n"
        for i in range(n_rows)
    ]
    shop.write("a.csv", HEADER + "".join(lines), day)


def judged_by(workspace: Workspace, suite: Suite, numbers: list[int]) -> list[dict[str, object]]:
    """What was not met on those days, by column, if they are ingested under the suite."""
    shop = Shop(workspace.state, suite=suite)
    manifests = shop.ingest_days(event_source(), [DAYS[number] for number in numbers])
    return [
        {finding["column"]: finding["observed"] for finding in manifest.audit if not finding["success"]}
        for manifest in manifests
    ]
