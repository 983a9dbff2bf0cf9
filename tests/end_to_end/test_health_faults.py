"""Faults in real logs, one an experiment: the right check fails, on the right day, and no other anywhere.

Each experiment has 400 new units a day of its own (some 800), half in each arm, exposed at noon from the third log
date on. Nine units in ten have an event of 10 an hour later. The metric's window is a day, so units count a day later.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from orchestration.runs import RunOutcome
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, run, table

FIRST_DAY, START, LAST_DAY = date(2026, 10, 1), date(2026, 10, 3), date(2026, 10, 8)
PROJECT = f"name: faults\nlate_arrival_days: 1\nhistory_start: {FIRST_DAY}\nhealth: {{bot_daily_events: 5}}\n"
SOURCES = """\
exposures:
  - id: exposures
    path: exposures/{date}.parquet
    format: parquet
    columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}
events:
  - id: shop
    path: shop/{date}.parquet
    format: parquet
    columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}
    measures: {amount: {column: amount, unit: USD, unit_column: currency, decimals: 2}}
"""
METRICS = """\
- {id: revenue, type: mean, source: shop, event: buy, aggregate: sum, measure: amount, window: {end_days: 1},
   covariate: {lookback_days: 1}}
"""
EXPERIMENT = """\
id: {id}
start: {start}
end: {end}
variants: [{{id: a, weight: 0.5, baseline: true}}, {{id: b, weight: 0.5}}]
metrics: {{primary: [revenue]}}
analysis: {{minimum_days: 3}}
{more}
"""


class Unit(NamedTuple):
    """A unit's first exposure, and what it spent an hour later, in so many events, and the day before; None: none."""

    id: str
    day: date
    variant: str
    spent: float | None
    before: float | None
    events: int = 1
    currency: str = "USD"


def healthy(experiment: str, day: date, number: int) -> Unit:
    unit = f"{experiment}-{day}-{number}"
    bucket = int(hashlib.md5(f"{experiment}:{unit}".encode()).hexdigest()[:8], 16) % 10_000
    return Unit(unit, day, "ab"[bucket >= 5_000], None if number % 10 == 9 else 10.0, None if number % 3 else 5.0)


def lossy(unit: Unit, number: int) -> Unit:
    """From the 6th on half of b's units lose their events."""
    return unit._replace(spent=None) if unit.day >= date(2026, 10, 6) and unit.variant == "b" and number % 2 else unit


def overridden(unit: Unit, number: int) -> Unit:
    """One unit in twenty sees the other variant, from the first day on."""
    return unit._replace(variant="ba"["ab".index(unit.variant)]) if number % 20 == 0 else unit


def misnamed(unit: Unit, number: int) -> Unit:
    """One unit in fifty is in a variant that nobody configured, from the 4th on."""
    return unit._replace(variant="c") if unit.day >= date(2026, 10, 4) and number % 50 == 0 else unit


def dominated(unit: Unit, number: int) -> Unit:
    """One unit of the 5th spends a hundred thousand."""
    return unit._replace(spent=100_000.0) if (unit.day, number) == (date(2026, 10, 5), 0) else unit


def selected(unit: Unit, number: int) -> Unit:
    """All of b had spent something the day before, a third of a had."""
    return unit._replace(before=5.0) if unit.variant == "b" else unit


def crawled(unit: Unit, number: int) -> Unit:
    """One unit in forty of either arm buys for a cent six times in an hour."""
    return unit._replace(spent=0.01, events=6) if number % 40 == 0 else unit


def converted(unit: Unit, number: int) -> Unit:
    """From the 6th on a third of b pays in euros, and some do not say."""
    is_other = unit.day >= date(2026, 10, 6) and unit.variant == "b" and number % 3 == 1
    return unit._replace(currency="" if number % 4 else "EUR") if is_other else unit


def inherited(unit: Unit, number: int) -> Unit:
    """A unit that `clean` had two days before, assigned by the same salt."""
    before = healthy("clean", unit.day - timedelta(days=2), number)
    return unit._replace(id=before.id, variant=before.variant)


def unchanged(unit: Unit, number: int) -> Unit:
    return unit


class Fault(NamedTuple):
    """What is done to units, what check fails, of what severity, and on which as-of date first."""

    change: Callable[[Unit, int], Unit] = unchanged
    check: str | None = None
    severity: str | None = None
    first: date | None = None
    units_a_day: int = 400
    start: date = START
    salt: str = ""
    health: str = ""


FAULTS = {
    "clean": Fault(),
    # 1,000 units have matured by the 6th: those of the 3rd, 4th and 5th. Their events bear other ids.
    "unjoined": Fault(check="no_events", severity="warning", first=date(2026, 10, 6)),
    # Units of the 6th have matured on the 7th: 21 % of b have no event then, and 10 % of a.
    "lossy": Fault(lossy, "event_loss", "error", date(2026, 10, 7)),
    "overridden": Fault(overridden, "assignment_integrity", "error", START),
    "misnamed": Fault(misnamed, "unknown_variants", "warning", date(2026, 10, 4)),
    "early": Fault(check="exposures_outside_period", severity="warning", first=START),
    # 1,200 of an arm have matured when the large order has.
    "dominated": Fault(dominated, "outlier_dominance", "warning", date(2026, 10, 6), units_a_day=800),
    # 1,000 of an arm have matured by the 6th.
    "crawled": Fault(crawled, "bots", "warning", date(2026, 10, 6), units_a_day=800),
    # Units of the 6th have matured on the 7th: a third of b's amounts of that day, 60 of its 720 or so.
    "converted": Fault(converted, "amount_units", "warning", date(2026, 10, 7)),
    "inherited": Fault(
        inherited,
        "carry_over",
        "warning",
        date(2026, 10, 5),
        start=date(2026, 10, 5),
        salt="clean:",
        health="health: {carry_over_days: 7}",
    ),
    "selected": Fault(selected, "pre_exposure_imbalance", "error", date(2026, 10, 6), units_a_day=800),
}


def write_project(root: Path) -> Workspace:
    workspace = Workspace(root / "configs", root / "data", root / "state")
    for folder in ("experiments", "metrics"):
        (workspace.configs / folder).mkdir(parents=True)
    (workspace.configs / "project.yaml").write_text(PROJECT)
    (workspace.configs / "sources.yaml").write_text(SOURCES)
    (workspace.configs / "metrics" / "shop.yaml").write_text(METRICS)
    for id_, fault in FAULTS.items():
        more = f"hashing: {{salt: '{fault.salt or f'{id_}:'}'}}\n{fault.health}"
        text = EXPERIMENT.format(id=id_, start=fault.start, end=LAST_DAY, more=more)
        (workspace.configs / "experiments" / f"{id_}.yaml").write_text(text)
    exposures, events = [], []
    for id_, fault in FAULTS.items():
        for day in pd.date_range(fault.start, LAST_DAY).date:
            for number in range(fault.units_a_day):
                unit = fault.change(healthy(id_, day, number), number)
                noon = datetime.combine(day, time(12))
                exposures.append((day, unit.id, id_, unit.variant, noon))
                logged = f"x{unit.id}" if id_ == "unjoined" else unit.id
                times = [noon + timedelta(hours=1, seconds=n) for n in range(unit.events)]
                for amount, at in (*((unit.spent, at) for at in times), (unit.before, noon - timedelta(days=1))):
                    if amount is not None:
                        events.append((at.date(), f"{id_}/{unit.id}/{at}", logged, "buy", at, amount, unit.currency))
    early = [(START - timedelta(days=1), f"early-{n}", "early", "ab"[n % 2]) for n in range(40)]
    exposures += [(*row, datetime.combine(row[0], time(12))) for row in early]
    # A row a day, so that no log is missing.
    exposures += [(FIRST_DAY, "nobody", "clean", "a", datetime.combine(FIRST_DAY, time(12)))]
    events += [(FIRST_DAY, "first", "nobody", "buy", datetime.combine(FIRST_DAY, time(12)), 1.0, "USD")]
    write_log(workspace.data / "exposures", exposures, ["unit", "experiment", "variant", "at"])
    write_log(workspace.data / "shop", events, ["id", "unit", "name", "at", "amount", "currency"])
    return workspace


def write_log(folder: Path, rows: list[tuple], columns: list[str]) -> None:
    folder.mkdir(parents=True)
    for day, frame in pd.DataFrame(rows, columns=["day", *columns]).groupby("day"):
        frame[columns].to_parquet(folder / f"{day}.parquet")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, RunOutcome]:
    workspace = write_project(tmp_path_factory.mktemp("faults"))
    return workspace, run(workspace, FIRST_DAY, LAST_DAY)


@pytest.fixture(scope="module")
def failed(faulty: tuple[Workspace, RunOutcome]) -> pd.DataFrame:
    checks = table(faulty[0].state, "health_checks")
    return checks[~checks["passed"].astype(bool)]


@pytest.mark.parametrize("id_", FAULTS)
def test_the_fault_is_named_on_its_day_and_nothing_else_is(failed: pd.DataFrame, id_: str) -> None:
    fault, found = FAULTS[id_], failed[failed["experiment_id"] == id_]
    assert set(found["check_name"]) == ({fault.check} if fault.check else set()), found["message"].tolist()
    if fault.check:
        first = found.sort_values("as_of_date").iloc[0]
        assert (first["as_of_date"].date(), first["severity"]) == (fault.first, fault.severity), first["message"]


@pytest.mark.parametrize("id_", ["overridden", "selected", "lossy"])
def test_an_error_gates_the_decision(faulty: tuple[Workspace, RunOutcome], id_: str) -> None:
    last = table(faulty[0].state, "decisions", experiment_id=id_, as_of_date=LAST_DAY).iloc[0]
    assert last["recommendation"] == "invalid"
    assert FAULTS[id_].check in last["reasons"]


def test_a_metric_of_which_too_much_is_in_another_currency_is_incomplete(faulty: tuple[Workspace, RunOutcome]) -> None:
    rows = table(faulty[0].state, "scorecard", experiment_id="converted", segment_name="all").set_index("as_of_date")
    dates = pd.to_datetime(["2026-10-06", "2026-10-07", "2026-10-08"])
    assert rows.loc[dates, "status"].tolist() == ["ok", "incomplete", "incomplete"]
    assert "amounts are in other units: " in rows.loc[dates[-1], "reason"]
    assert (table(faulty[0].state, "scorecard", experiment_id="clean", as_of_date=LAST_DAY)["status"] == "ok").all()


def test_each_kind_is_a_check_in_dagster(faulty: tuple[Workspace, RunOutcome]) -> None:
    named = {check.check for check in faulty[1].failed_checks}
    assert {fault.check for fault in FAULTS.values() if fault.check} <= named


@pytest.mark.slow
def test_the_checks_of_each_day_run_by_itself_are_the_same(
    faulty: tuple[Workspace, RunOutcome], tmp_path: Path
) -> None:
    workspace = replace(faulty[0], state=tmp_path / "state")
    for day in pd.date_range(FIRST_DAY, LAST_DAY).date:
        run(workspace, day, day)
    assert_same_results(faulty[0].state, workspace.state)
