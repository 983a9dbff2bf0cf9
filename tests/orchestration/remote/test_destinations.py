"""A destination has the published tables, gets what changed, and shows one run whole."""

import json
from datetime import date
from pathlib import Path

import duckdb
import pytest

from configs.schema import PostgresResults, StoredResults
from orchestration.destinations.parts import published_parts
from orchestration.destinations.postgres_results import send_to_postgres
from orchestration.destinations.stored_results import send_to_object_store
from orchestration.remote.errors import RemoteError
from tests.log_places import DATABASE, LogPlaces
from tests.object_store import client

FIRST, SECOND, THIRD = (date(2026, 10, day) for day in (1, 2, 3))
IN_STORE = StoredResults(url="s3://logs/bi/shop")
IN_POSTGRES = PostgresResults(connection=DATABASE, schema_="results")
SENDERS = {
    "object_store": lambda run, project="shop": send_to_object_store(run, IN_STORE, project),
    "postgres": lambda run, project="shop": send_to_postgres(run, IN_POSTGRES, project),
}


@pytest.fixture(autouse=True)
def _empty(places: LogPlaces) -> None:
    places.execute("drop schema if exists server.results cascade")


def publish(folder: Path, **tables: str) -> Path:
    """A run's folder with these queries as its tables, by `as_of_date` where they have one."""
    for name, query in tables.items():
        for day in (FIRST, SECOND, THIRD):
            if "as_of_date" not in query:
                write(folder / name / "part.parquet", query)
                break
            one = f"select * from ({query}) where as_of_date = date '{day}'"
            if duckdb.sql(f"select count(*) from ({one})").fetchall()[0][0]:
                write(folder / name / f"as_of_date={day}" / "part.parquet", one)
    return folder


def write(path: Path, query: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.sql(query).write_parquet(str(path))


def scores(**means: str) -> str:
    """One row a day, by the day's name, with every type that the published tables have."""
    days = {"first": FIRST, "second": SECOND, "third": THIRD}
    rows = [
        f"select date '{days[name]}' as as_of_date, 'checkout' as experiment_id, {mean}::double as mean, "
        f"10::bigint as n_units, true as passed, 1::decimal(38, 0) as total, 1.50::decimal(38, 2) as capped, "
        f"timestamp '2026-10-01 10:00:00.123456' as happened_at, null::integer as rank"
        for name, mean in means.items()
    ]
    return " union all ".join(rows)


def received(name: str, table: str, places: LogPlaces, tmp_path: Path) -> list[tuple]:
    """The rows of a table as a reader of the destination sees them."""
    if name == "postgres":
        places.execute(f"copy (from server.results.{table} order by all) to '{tmp_path}/read.parquet' (format parquet)")
        return duckdb.sql(f"from '{tmp_path}/read.parquet'").fetchall()
    current = json.loads(client().get_object(Bucket="logs", Key="bi/shop/current.json")["Body"].read())
    rows = []
    for url in current["tables"][table]:
        (tmp_path / "read.parquet").write_bytes(
            client().get_object(Bucket="logs", Key=url.removeprefix("s3://logs/"))["Body"].read()
        )
        rows += duckdb.sql(f"from '{tmp_path}/read.parquet'").fetchall()
    return sorted(rows, key=str)


@pytest.mark.parametrize("name", SENDERS)
def test_only_what_changed_is_sent(name: str, places: LogPlaces, tmp_path: Path) -> None:
    send = SENDERS[name]
    experiments = "select 'checkout' as experiment_id, 'Ana''s' as owner"
    one = publish(tmp_path / "one", scorecard=scores(first="1.5", second="'nan'"), experiments=experiments)
    assert (send(one).parts, send(one).parts) == (3, 0)
    rows = received(name, "scorecard", places, tmp_path)
    assert [(row[0], str(row[2]), row[3:5], str(row[6])) for row in rows] == [
        (FIRST, "1.5", (10, True), "1.50"),
        (SECOND, "nan", (10, True), "1.50"),
    ]
    assert received(name, "experiments", places, tmp_path) == [("checkout", "Ana's")]

    two = publish(tmp_path / "two", scorecard=scores(second="2", third="3"), experiments=experiments)
    assert send(two).parts == 2
    assert [row[2] for row in received(name, "scorecard", places, tmp_path)] == [2.0, 3.0]


@pytest.mark.parametrize("name", SENDERS)
def test_another_projects_results_are_not_replaced(name: str, places: LogPlaces, tmp_path: Path) -> None:
    run = publish(tmp_path / "one", experiments="select 'checkout' as experiment_id")
    SENDERS[name](run)
    with pytest.raises(RemoteError, match="holds the results of project 'shop'; give 'app' its own"):
        SENDERS[name](run, "app")


def test_postgres_has_the_published_types(places: LogPlaces, tmp_path: Path) -> None:
    send_to_postgres(publish(tmp_path / "one", scorecard=scores(first="1")), IN_POSTGRES, "shop")
    places.execute(
        "create table types as from postgres_query('server', 'select attname::text as name, "
        "format_type(atttypid, atttypmod) as type from pg_attribute where attnum > 0 "
        "and attrelid = to_regclass(''results.scorecard'') order by attnum')",
        f"copy types to '{tmp_path}/types.parquet' (format parquet)",
    )
    assert dict(duckdb.sql(f"from '{tmp_path}/types.parquet'").fetchall()) == {
        "as_of_date": "date",
        "experiment_id": "text",
        "mean": "double precision",
        "n_units": "bigint",
        "passed": "boolean",
        "total": "numeric(38,0)",
        "capped": "numeric(38,2)",
        "happened_at": "timestamp without time zone",
        "rank": "integer",
    }


def test_a_new_column_keeps_views_and_another_type_makes_the_table_anew(places: LogPlaces, tmp_path: Path) -> None:
    send = SENDERS["postgres"]
    old = "select date '2026-10-01' as as_of_date, 1::bigint as n"
    send(publish(tmp_path / "one", moments=old))
    places.execute("call postgres_execute('server', 'create view results.dashboard as select n from results.moments')")
    both = publish(tmp_path / "two", moments=old)
    publish(both, moments="select date '2026-10-02' as as_of_date, 2::bigint as n, 'x' as note")

    assert send(both).parts == 1
    assert received("postgres", "moments", places, tmp_path) == [(FIRST, 1, None), (SECOND, 2, "x")]
    assert received("postgres", "dashboard", places, tmp_path) == [(1,), (2,)]

    places.execute("drop view server.results.dashboard")
    send(publish(tmp_path / "three", moments="select date '2026-10-01' as as_of_date, 0.5::double as n"))
    assert received("postgres", "moments", places, tmp_path) == [(FIRST, 0.5)]


def test_a_refused_run_leaves_the_one_before(places: LogPlaces, tmp_path: Path) -> None:
    """Of two tables the second cannot be made, for something else has its name: nothing of the run is seen."""
    send = SENDERS["postgres"]
    send(publish(tmp_path / "one", decisions="select 1 as n"))
    places.execute("create table server.results.scorecard (own integer)")
    two = publish(tmp_path / "two", decisions="select 2 as n", scorecard="select 1 as n")
    with pytest.raises(RemoteError, match=r'table "results"\."scorecard" is there and was not made by Equipoise'):
        send(two)
    assert received("postgres", "decisions", places, tmp_path) == [(1,)]


def test_the_store_keeps_the_files_of_three_runs(places: LogPlaces, tmp_path: Path) -> None:
    """And none of a sending that was cut short before it was current."""
    client().put_object(Bucket="logs", Key="bi/shop/files/decisions/0123.parquet", Body=b"half")
    removed = [
        SENDERS["object_store"](publish(tmp_path / f"run{n}", decisions=f"select {n} as n")).removed for n in range(5)
    ]
    assert removed == [1, 0, 0, 2, 2]  # the leftover; then a file and a run's list each
    listed = [entry["Key"] for entry in client().list_objects_v2(Bucket="logs", Prefix="bi/shop/")["Contents"]]
    assert [key for key in listed if "/runs/" in key] == [f"bi/shop/runs/run{n}.json" for n in (2, 3, 4)]
    assert len([key for key in listed if "/files/" in key]) == 3


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [
        ("object_store", "AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"),
        ("postgres", DATABASE, "postgresql://ana:hidden-pass@127.0.0.1:9/x"),
        ("postgres", DATABASE, "host=127.0.0.1 port=9 user=ana password=hidden-pass"),
        ("postgres", DATABASE, ""),
    ],
)
def test_what_cannot_be_reached_says_so_without_credentials(name, variable, value, monkeypatch, tmp_path) -> None:
    run = publish(tmp_path / "one", decisions="select 1 as n")
    assert len(published_parts(run)) == 1
    monkeypatch.setenv(variable, value)
    with pytest.raises(RemoteError) as caught:
        SENDERS[name](run)
    assert "hidden-pass" not in str(caught.value)
    assert any(words in str(caught.value) for words in ("cannot be reached", "Connection refused", "is not set"))
