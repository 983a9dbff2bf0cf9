"""Simulated logs on disk: found by the sources' paths, complete, and the same every time."""

from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from analysis.simulation.simulator import simulate
from configs.schema import Config, Source
from configs.simulation_schema import Scenario
from orchestration.simulated_logs import log_file, write_logs

LOG_FILES = ["events/{date}.csv", "events/{date}.csv.gz", "events/{date}/*.jsonl", "events/{date}/*.jsonl.gz"]


def shop(event_path="events/{date}/*.parquet", event_format="parquet", **sources):
    """A configuration with one exposure log and one event log."""
    return Config.model_validate(
        {
            "project": {"name": "shop", "history_start": "2026-03-01"},
            "sources": {
                "exposures": [
                    {
                        "id": "web",
                        "path": "web/date={date}/*.parquet",
                        "format": "parquet",
                        "columns": {
                            "unit_id": "user",
                            "experiment_id": "test",
                            "variant_id": "arm",
                            "exposed_at": "ts",
                        },
                    }
                ],
                "events": [
                    {
                        "id": "shop",
                        "path": event_path,
                        "format": event_format,
                        "columns": {
                            "event_id": "id",
                            "unit_id": "user",
                            "event_name": "name",
                            "occurred_at": "ts",
                        },
                        "measures": {"amount": {"column": "eur", "decimals": 3}},
                        "properties": ["channel"],
                    }
                ],
                **sources,
            },
            "metrics": {
                "revenue": {
                    "id": "revenue",
                    "type": "mean",
                    "source": "shop",
                    "event": "order",
                    "aggregate": "sum",
                    "measure": "amount",
                }
            },
            "experiments": {
                "price": {
                    "id": "price",
                    "start": "2026-03-02",
                    "end": "2026-03-03",
                    "variants": [
                        {"id": "old", "weight": 0.5, "baseline": True},
                        {"id": "new", "weight": 0.5},
                    ],
                    "metrics": {"primary": ["revenue"]},
                }
            },
        }
    )


def read_events(files):
    """Rows of event files as DuckDB reads them, with the simulation's types."""
    name = str(files).removesuffix(".gz")
    reader = {".parquet": "read_parquet", ".csv": "read_csv", ".jsonl": "read_json"}[Path(name).suffix]
    options = "" if reader == "read_parquet" else ", columns = {id: 'VARCHAR', user: 'VARCHAR', name: 'VARCHAR', "
    options += "" if not options else "channel: 'VARCHAR', ts: 'TIMESTAMP', eur: 'DOUBLE'}"
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT * FROM {reader}('{files}'{options})").df()


@pytest.mark.parametrize("path", ["events/{date}/*.parquet", *LOG_FILES])
def test_every_format_holds_the_simulated_rows(tmp_path, path):
    name = path.removesuffix(".gz")
    config = shop(path, Path(name).suffix[1:])
    simulation = simulate(config, Scenario(), units=400, days=3, seed=1)

    write_logs(config.sources, simulation, tmp_path)

    for day in simulation.days():
        found = read_events(tmp_path / path.replace("{date}", day.log_date.isoformat()))
        assert len(found) > 0
        expected = day.logs["shop"]
        assert_frame_equal(found[list(expected)], expected, check_dtype=False)


def test_the_same_simulation_gives_the_same_bytes(tmp_path):
    config = shop("events/{date}.jsonl.gz", "jsonl")
    for folder in ("a", "b"):
        simulation = simulate(config, Scenario(), units=200, days=2, seed=2)
        write_logs(config.sources, simulation, tmp_path / folder)

    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert [path.as_posix() for path in files] == [
        "events/2026-03-01.jsonl.gz",
        "events/2026-03-02.jsonl.gz",
        "faults.csv",
        "truth.csv",
        "web/date=2026-03-01/simulated.parquet",
        "web/date=2026-03-02/simulated.parquet",
    ]
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes(), path


def test_a_day_without_rows_is_an_empty_log_with_columns(tmp_path):
    config = shop()
    write_logs(config.sources, simulate(config, Scenario(), units=50, days=1, seed=3), tmp_path)

    exposures = pd.read_parquet(tmp_path / "web/date=2026-03-01/simulated.parquet")

    assert exposures.empty  # the experiment starts a day later
    assert dict(exposures.dtypes.astype(str)) == {
        "user": "str",
        "test": "str",
        "arm": "str",
        "ts": "datetime64[us]",
    }


def test_truth_and_faults_are_written_beside(tmp_path):
    config = shop()
    scenario = Scenario.model_validate(
        {"experiments": {"price": {"effects": {"new": {"order": {"rate": 1.5}}}}}, "rows": {"duplicate": 0.1}}
    )
    simulation = simulate(config, scenario, units=500, days=4, seed=4)
    seen = []

    write_logs(config.sources, simulation, tmp_path, seen.append)

    truth = pd.read_csv(tmp_path / "truth.csv", keep_default_na=False)
    assert truth[["experiment_id", "variant_id", "metric_id", "method"]].to_numpy().tolist() == [
        ["price", "new", "revenue", "analytic"]
    ]
    assert truth["effect_relative"].item() == pytest.approx(0.5)
    faults = pd.read_csv(tmp_path / "faults.csv")
    logged = read_events(tmp_path / "events/*/*.parquet")
    duplicates = faults.query("fault == 'duplicate' and source_id == 'shop'")["rows"].sum()
    assert logged["id"].duplicated().sum() == duplicates > 0
    assert seen == [date(2026, 3, day) for day in (1, 2, 3, 4)]


def test_unit_tables_are_written_once(tmp_path):
    customers = {
        "id": "customers",
        "path": "units/*.csv",
        "format": "csv",
        "columns": {"unit_id": "user", "valid_from": "since"},
        "attributes": ["tier"],
    }
    config = shop(units=[customers])
    simulation = simulate(config, Scenario(), units=50, days=2, seed=5)

    write_logs(config.sources, simulation, tmp_path)

    table = pd.read_csv(tmp_path / "units/simulated.csv")
    assert table["user"].tolist() == simulation.units()["customers"]["user"].tolist()
    assert set(table.columns) == {"user", "since", "tier"}


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("e/date={date}/*.parquet", "e/date=2026-03-09/simulated.parquet"),
        ("e/{date}", "e/2026-03-09"),
        ("e/{date}-*.parquet", "e/2026-03-09-simulated.parquet"),
        ("e/{date}/*", "e/2026-03-09/simulated.parquet"),
        ("e/{date}/part-*.parquet*", "e/2026-03-09/part-simulated.parquet"),
        ("e/**/{date}.parquet", "e/2026-03-09.parquet"),
        ("region-*/{date}/h?.parquet", "region-simulated/2026-03-09/h0.parquet"),
        ("e/{date}/[a-c]x.parquet", "e/2026-03-09/ax.parquet"),
    ],
)
def test_a_log_file_is_one_that_the_path_matches(tmp_path, path, file):
    source = Source(id="web", path=path, format="parquet")

    found = log_file(source, date(2026, 3, 9))

    assert found.as_posix() == file
    (tmp_path / found).parent.mkdir(parents=True)
    (tmp_path / found).touch()
    assert list(tmp_path.glob(path.replace("{date}", "2026-03-09"))) == [tmp_path / found]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("s3://bucket/{date}.parquet", "below the data root only"),
        ("/var/log/{date}.parquet", "below the data root only"),
        ("../{date}.parquet", "below the data root only"),
        ("e/{date}/[!a]x.parquet", "no file name that its path"),
        ("e/all.parquet", r"has no \{date\}"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_before_anything_is(tmp_path, path, message):
    config = shop(path)
    simulation = simulate(config, Scenario(), units=10, days=1, seed=6)

    with pytest.raises(ValueError, match=f"source shop: .*{message}"):
        write_logs(config.sources, simulation, tmp_path)
    assert list(tmp_path.iterdir()) == []
