"""Causes beside the health checks: read only of what failed, and one search that fails stops no other."""

from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from configs.schema import Config
from orchestration.inputs import RunInputs
from orchestration.lake import Lake
from orchestration.srm_causes import with_causes

AS_OF = date(2026, 10, 2)
EXPERIMENTS = ("lopsided", "sound", "strange")


def config() -> Config:
    columns = {"unit_id": "u", "experiment_id": "e", "variant_id": "v", "exposed_at": "t"}
    event = {"unit_id": "u", "event_name": "n", "occurred_at": "t"}
    return Config.model_validate(
        {
            "project": {"name": "shop", "history_start": "2026-10-01"},
            "sources": {
                "exposures": [{"id": "web", "path": "{date}.csv", "format": "csv", "columns": columns}],
                "events": [{"id": "shop", "path": "{date}.csv", "format": "csv", "columns": event}],
            },
            "metrics": {"orders": {"id": "orders", "type": "proportion", "source": "shop", "event": "order"}},
            "experiments": {
                id_: {
                    "id": id_,
                    "start": "2026-10-01",
                    "end": "2026-10-05",
                    "variants": [{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.5}],
                    "metrics": {"primary": ["orders"]},
                }
                for id_ in EXPERIMENTS
            },
        }
    )


@pytest.fixture
def inputs(tmp_path: Path) -> RunInputs:
    return RunInputs(Lake(tmp_path), config(), {}, {}, {}, (AS_OF, AS_OF))


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("create schema runs; create schema inputs; create schema intermediate")
    connection.execute(
        "create table runs.plan as select experiment_id, date '2026-10-02' as from_date, date '2026-10-02' as to_date, "
        "date '2026-10-02' as latest_date, false as is_rebuild from unnest($ids) as plan (experiment_id)",
        {"ids": list(EXPERIMENTS)},
    )
    return connection


def add_units(connection: duckdb.DuckDBPyConnection) -> None:
    """Of 3,000 units: 2,000 in a; `strange` has them in an arm that nobody configured."""
    connection.execute(
        """
        create table intermediate.int_unit_states as
        select experiment_id, cast(number as varchar) as unit_id, date '2026-10-01' as known_from,
            cast(null as date) as known_until, date '2026-10-01' as exposed_date,
            case when experiment_id = 'strange' then 'c' when number % 3 = 0 then 'b' else 'a' end as variant_id,
            cast(null as varchar) as hashed_variant_id, false as is_mixed
        from range(3000) as units (number), unnest(['lopsided', 'strange']) as experiments (experiment_id)
        """
    )


def health(failing: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "as_of_date": pd.Timestamp(AS_OF),
            "experiment_id": list(EXPERIMENTS),
            "check_name": "sample_ratio_mismatch",
            "passed": [id_ not in failing for id_ in EXPERIMENTS],
            "message": "a and b",
        }
    )


def test_where_nothing_fails_no_unit_is_read(warehouse, inputs):
    """There is not even a table of units."""
    found = with_causes(warehouse, inputs, health(()))

    pd.testing.assert_frame_equal(found, health(()))
    assert warehouse.execute("select count(*) from results.srm_causes").fetchall() == [(0,)]


def test_a_search_that_fails_says_so_and_stops_no_other(warehouse, inputs):
    add_units(warehouse)

    found = with_causes(warehouse, inputs, health(("lopsided", "strange"))).set_index("experiment_id")["message"]

    assert found["lopsided"].startswith(
        "a and b; 100% of the mismatch arises in b on all days, which has 1,000 exposed"
    )
    assert found["sound"] == "a and b"
    assert found["strange"] == (
        "a and b; its cause is unknown: computation failed: ValueError: "
        "units are in variant 'c', unknown to experiment 'strange'"
    )
    rows = warehouse.execute(
        "select experiment_id, rank, stage, variant_id, n_missing from results.srm_causes"
    ).fetchall()
    assert rows == [("lopsided", 1, "exposed", "b", 1000.0)]


def test_a_rerun_replaces_the_causes_of_its_dates(warehouse, inputs):
    add_units(warehouse)
    with_causes(warehouse, inputs, health(("lopsided",)))

    with_causes(warehouse, inputs, health(()))

    assert warehouse.execute("from results.srm_causes").fetchall() == []
