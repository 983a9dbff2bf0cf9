"""The same experiment read from seven kinds of places, and its results sent to two; a place and a destination fail."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from orchestration.provenance import PROVENANCE
from orchestration.runs import RunOutcome
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import run, table, tables, try_run
from tests.log_places import DATABASE, KINDS, LogPlaces
from tests.object_store import SECRET, client, object_store
from tests.postgresql import PASSWORD, postgres_server, skip_reason

START = date(2026, 10, 1)
DAYS = [START + timedelta(days=offset) for offset in range(4)]
RESULTS = "RESULTS_DATABASE_URL"
UNITS = 120
CONVERTED = {"control": 0.2, "fast": 0.6}
"""The true conversion of each arm."""

PROJECT = """\
name: shop
late_arrival_days: 1
history_start: 2026-10-01
publish:
  object_store: {url: s3://results/shop}
  postgres: {connection: RESULTS_DATABASE_URL, schema: equipoise}
"""
METRICS = """\
- {id: conversion_KIND, type: proportion, source: events_KIND, event: purchase, window: {end_days: 2}}
- {id: revenue_KIND, type: mean, source: events_KIND, event: purchase, aggregate: sum, measure: amount,
   where: [{property: is_web, op: "=", value: "true"}]}
"""
EXPERIMENT = """\
id: read_KIND
status: running
start: 2026-10-01
end: 2026-10-04
exposure_source: exposures_KIND
variants: [{id: control, weight: 0.5, baseline: true}, {id: fast, weight: 0.5}]
segments: [country]
metrics: {primary: [conversion_KIND], secondary: [revenue_KIND]}
analysis: {minimum_days: 1, minimum_units: 20}
"""
COLUMNS = {
    "exposures": {"unit_id": "user_id", "experiment_id": "experiment", "variant_id": "variant", "exposed_at": "ts"},
    "events": {"event_id": "event_id", "unit_id": "user_id", "event_name": "name", "occurred_at": "ts"},
}
MORE = {
    "exposures": {"attributes": ["country"]},
    "events": {"measures": {"amount": {"column": "amount", "decimals": 2}}, "properties": ["is_web"]},
}


def logs(kind: str) -> dict[tuple[str, date], pa.Table]:
    """Half of the units enter on each of the first two days; purchases follow a day later, one twice, one late."""
    random = np.random.default_rng(7)
    found = {}
    for number, day in enumerate(DAYS):
        units = [unit for unit in range(UNITS) if unit % 2 == number]
        at = [datetime(day.year, day.month, day.day, 9, unit % 60, 0, unit, tzinfo=UTC) for unit in units]
        found["exposures", day] = pa.table(
            {
                "user_id": pa.array(units, pa.int64()),
                "experiment": pa.array([f"read_{kind}"] * len(units), pa.string()),
                "variant": pa.array(["control" if unit % 4 < 2 else "fast" for unit in units], pa.string()),
                "ts": pa.array(at, pa.timestamp("us", "UTC")),
                "country": pa.array(["DE" if unit % 3 else "FR" for unit in units], pa.string()),
            }
        )
        buyers = [
            unit
            for unit in range(UNITS)
            if number and unit % 2 == number - 1 and random.random() < CONVERTED["control" if unit % 4 < 2 else "fast"]
        ]
        buyers += buyers[:1]
        at = [
            datetime(day.year, day.month, day.day, 20, 0, 0, unit, tzinfo=UTC) - timedelta(days=unit == buyers[1])
            for unit in buyers
        ]
        amounts = [Decimal(unit) + Decimal("0.005") for unit in buyers]
        found["events", day] = pa.table(
            {
                "event_id": pa.array([f"{day}-{unit}" for unit in buyers], pa.string()),
                "user_id": pa.array(buyers, pa.int64()),
                "name": pa.array(["purchase"] * len(buyers), pa.string()),
                "ts": pa.array(at, pa.timestamp("us", "UTC")),
                "amount": pa.array(amounts, pa.decimal128(12, 3)),
                "is_web": pa.array([unit % 5 > 0 for unit in buyers], pa.bool_()),
            }
        )
    return {key: rows for key, rows in found.items() if len(rows)}


def write_project(root: Path, places: LogPlaces, kinds: Sequence[str]) -> Workspace:
    configs = root / "configs"
    files = {"project.yaml": PROJECT, "metrics/all.yaml": "".join(METRICS.replace("KIND", kind) for kind in kinds)}
    sources = {
        group: [
            {"id": f"{group}_{kind}", "columns": columns, "allow_empty_days": True}
            | places.keys(kind, f"{group}_{kind}")
            | MORE[group]
            for kind in kinds
        ]
        for group, columns in COLUMNS.items()
    }
    files["sources.yaml"] = json.dumps(sources, indent=1)
    files |= {f"experiments/read_{kind}.yaml": EXPERIMENT.replace("KIND", kind) for kind in kinds}
    for name, text in files.items():
        (configs / name).parent.mkdir(parents=True, exist_ok=True)
        (configs / name).write_text(text)
    return Workspace(configs, root / "data", root / "state")


@dataclass
class Shop:
    """The project after its first run; `second`, a day later, when a place and a destination are gone."""

    workspace: Workspace
    kinds: Sequence[str]
    places: LogPlaces
    patch: pytest.MonkeyPatch

    @cached_property
    def second(self) -> RunOutcome:
        for found in client().list_objects_v2(Bucket="results")["Contents"]:
            client().delete_object(Bucket="results", Key=found["Key"])
        client().delete_bucket(Bucket="results")
        self.patch.setenv(DATABASE, "postgresql://ana:hidden-pass@127.0.0.1:9/logs")
        return try_run(self.workspace, DAYS[3], DAYS[3])


@pytest.fixture(
    scope="module",
    params=[("parquet", "postgres"), pytest.param(KINDS, marks=pytest.mark.slow)],
    ids=["two places", "all places"],
)
def shop(tmp_path_factory, request):
    root = tmp_path_factory.mktemp("places")
    if reason := skip_reason():
        pytest.skip(reason)
    with postgres_server() as server, object_store(), pytest.MonkeyPatch.context() as patch:
        url = server.url
        patch.setattr("orchestration.assets.destinations.WAITS_SECONDS", ())
        patch.setenv(DATABASE, url)
        patch.setenv(RESULTS, url)
        client().create_bucket(Bucket="results")
        places = LogPlaces(root / "data", url)
        for kind in request.param:
            for (group, day), rows in logs(kind).items():
                places.deliver(kind, f"{group}_{kind}", day, rows)
        workspace = write_project(root, places, request.param)
        run(workspace, DAYS[0], DAYS[2])
        yield Shop(workspace, request.param, places, patch)


def stored_tables() -> dict[str, pd.DataFrame]:
    """Every table of the object store, as `current.json` lists its files."""
    read = {}
    current = json.loads(client().get_object(Bucket="results", Key="shop/current.json")["Body"].read())
    for name, urls in current["tables"].items():
        frames = []
        for url in urls:
            body = client().get_object(Bucket="results", Key=url.removeprefix("s3://results/"))["Body"].read()
            frames.append(pa.parquet.read_table(pa.BufferReader(body)))
        read[name] = pa.concat_tables(frames, promote_options="permissive")
    return read


def of_kind(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """One experiment's rows without its name, and without the digests, in which its name is."""
    rows = frame[frame["experiment_id"] == f"read_{kind}"]
    rows = rows.drop(columns=[name for name in rows if name in PROVENANCE or name == "metric_hash"])
    named = [name for name in rows if rows[name].dtype == object or str(rows[name].dtype) == "str"]
    texts = {name: rows[name].map(lambda v: v.replace(f"_{kind}", "") if isinstance(v, str) else v) for name in named}
    return rows.assign(**texts).reset_index(drop=True)


@pytest.mark.parametrize("name", ["exposure_counts", "metric_moments", "scorecard", "health_checks", "decisions"])
def test_the_same_numbers_from_every_place(shop: Shop, name: str) -> None:
    """To the last bit."""
    published = tables(shop.workspace.state)[name]
    expected = of_kind(published, "parquet")
    assert len(expected) >= 3
    for kind in shop.kinds[1:]:
        pd.testing.assert_frame_equal(of_kind(published, kind), expected, check_exact=True, obj=f"{name} of {kind}")


def test_the_numbers_are_those_of_the_logs(shop: Shop) -> None:
    rows = table(shop.workspace.state, "scorecard", metric_id="conversion_postgres", as_of_date=DAYS[2])
    found = rows[(rows["variant_id"] == "fast") & (rows["segment_name"] == "all")].iloc[0]
    entered = {unit for unit in range(UNITS) if unit % 2 == 0}  # matured: exposed on the first day
    bought = set(logs("postgres")["events", DAYS[1]]["user_id"].to_pylist()) & entered
    fast = {unit for unit in entered if unit % 4 >= 2}
    effect = len(bought & fast) / len(fast) - len(bought - fast) / len(entered - fast)
    assert found["effect"] == pytest.approx(effect, abs=1e-15)
    assert found["ci_low"] < CONVERTED["fast"] - CONVERTED["control"] < found["ci_high"]


def test_destinations_have_what_is_published(shop: Shop) -> None:
    local = tables(shop.workspace.state)
    stored = stored_tables()
    assert {name: len(rows) for name, rows in stored.items()} == {name: len(rows) for name, rows in local.items()}
    assert len(stored["decisions"]) == 3 * len(shop.kinds)
    assert_in_postgres(shop, local)


@pytest.mark.slow
def test_a_place_that_is_gone_costs_its_own_experiment_alone(shop: Shop) -> None:
    assert shop.second.published
    last = table(shop.workspace.state, "scorecard", as_of_date=DAYS[3], segment_name="all")
    assert set(last[last["status"] == "incomplete"]["experiment_id"]) == {"read_postgres"}
    days = table(shop.workspace.state, "source_days", source_id="events_postgres")
    assert list(days["status"]) == ["empty", "ok", "ok", "failed"]
    assert "events_postgres cannot be read: the PostgreSQL server of LOGS_DATABASE_URL" in list(days["reason"])[-1]


@pytest.mark.slow
def test_a_destination_that_is_gone_costs_nothing_here(shop: Shop) -> None:
    failed = [check for check in shop.second.failed_checks if check.check == "destination_is_current"]
    assert [check.asset for check in failed] == ["send/object_store"]
    assert failed[0].description.startswith("s3://results: NoSuchBucket: ")
    assert "the next run sends all that is missing" in failed[0].description
    assert_in_postgres(shop, tables(shop.workspace.state))


def test_no_credential_is_anywhere(shop: Shop) -> None:
    secrets = [SECRET.encode(), b"hidden-pass", PASSWORD.encode()]
    for path in shop.workspace.state.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path


def assert_in_postgres(shop: Shop, local: Mapping[str, pd.DataFrame]) -> None:
    """The schema's tables hold the very rows that are published here."""
    read, published = shop.places.root / "read.parquet", str((shop.workspace.state / "results.duckdb").resolve())
    with duckdb.connect(published, read_only=True) as connection:
        for name, frame in local.items():
            shop.places.execute(f"copy (from server.equipoise.{name}) to '{read}' (format parquet)")
            columns = ", ".join(frame.columns)
            lacking = f"(select {columns} from {name}) except all (select {columns} from '{read}')"
            counts = f"select (select count(*) from {name}), (select count(*) from '{read}')"
            assert connection.execute(lacking).fetchall() == [], name
            assert connection.execute(counts).fetchall() == [(len(frame), len(frame))], name
