"""A day's log gives the same partition wherever it lies, and every place keeps what ingest promises."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from orchestration.ingest import source_contract
from orchestration.lake import DayManifest
from tests.log_places import DATABASE, KINDS, LogPlaces, rows_of
from tests.object_store import client
from tests.orchestration.ingest_case import LOG_DATE, Shop, event_source

REMOTE = ("s3", "postgres", "delta", pytest.param("iceberg", marks=pytest.mark.slow))
NEXT_DAY = LOG_DATE + timedelta(days=1)
GONE = {"s3": "AWS_ENDPOINT_URL_S3", "postgres": DATABASE}
"""The variable that leads to a place's server."""


def events(*rows: tuple[str, datetime, str | None], **more: pa.Array) -> pa.Table:
    ids, instants, amounts = zip(*rows, strict=True)
    n = len(rows)
    columns = {
        "event_id": pa.array(ids),
        "user_id": pa.array([f"u{id_}" for id_ in ids]),
        "name": pa.array(["purchase"] * n),
        "ts": pa.array(instants, pa.timestamp("us", "UTC")),
        "amount": pa.array([None if amount is None else Decimal(amount) for amount in amounts], pa.decimal128(12, 3)),
        "channel": pa.array([n_ % 2 == 0 for n_ in range(n)]),
    }
    return rows_of(columns | more)


def at(day: date, hour: int = 10) -> datetime:
    return datetime(day.year, day.month, day.day, hour, 0, 0, 123456, tzinfo=UTC)


def source(places: LogPlaces, kind: str, **changes):
    return event_source(**{"path": "", **places.keys(kind, "events"), **changes})


def counts(manifest: DayManifest) -> tuple[str, int, int, int]:
    return manifest.status, manifest.rows_accepted, manifest.rows_duplicate, manifest.rows_quarantined


def deliver_two_days(places: LogPlaces, kind: str) -> None:
    """Half a cent away from zero, a missing amount, a duplicate, a boolean; the next day one late and one too late."""
    late, too_late = at(LOG_DATE - timedelta(days=2)), at(LOG_DATE - timedelta(days=3))
    first = events(("a", at(LOG_DATE), "1.005"), ("b", at(LOG_DATE), None), ("c", at(LOG_DATE), "2"))
    second = events(("d", late, "-0.005"), ("e", too_late, "1"), ("a", at(LOG_DATE), "1.005"))
    places.deliver(kind, "events", LOG_DATE, first)
    places.deliver(kind, "events", NEXT_DAY, second)


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> list[str]:
    """What identifies the accepted rows of both days, read from local Parquet."""
    shop = Shop(tmp_path_factory.mktemp("reference"))
    places = LogPlaces(shop.root / "data")
    deliver_two_days(places, "parquet")
    days = shop.ingest_days(source(places, "parquet"), [LOG_DATE, NEXT_DAY])
    return [manifest.content_hash for manifest in days]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_the_same_wherever_they_lie(kind: str, shop: Shop, places: LogPlaces, reference: list[str]) -> None:
    deliver_two_days(places, kind)

    found = shop.ingest_days(source(places, kind), [LOG_DATE, NEXT_DAY])

    assert [counts(manifest) for manifest in found] == [("ok", 3, 0, 0), ("ok", 1, 1, 1)], [m.reason for m in found]
    instant = at(LOG_DATE).replace(tzinfo=None)
    assert shop.rows(found[0], "event_id, m_amount, p_channel, occurred_at, known_from") == [
        ("a", 101, "true", instant, LOG_DATE),
        ("b", None, "false", instant, LOG_DATE),
        ("c", 200, "true", instant, LOG_DATE),
    ]
    assert shop.rows(found[1], "event_id, m_amount, p_channel") == [("d", -1, "true")]
    assert shop.quarantine(found[1], "reason") == [("late",)]
    assert [manifest.content_hash for manifest in found] == reference


@pytest.mark.parametrize("kind", REMOTE)
def test_a_day_comes_and_goes(kind: str, shop: Shop, places: LogPlaces) -> None:
    """A day without rows is missing; one that disappears keeps its rows unless it is asked for."""
    places.deliver(kind, "events", NEXT_DAY, events(("n", at(NEXT_DAY), "1")))
    assert counts(shop.ingest(source(places, kind))) == ("missing", 0, 0, 0)
    assert shop.ingest(source(places, kind, allow_empty_days=True)).status == "empty"
    places.deliver(kind, "events", LOG_DATE, events(("a", at(LOG_DATE), "1")))
    assert counts(shop.ingest(source(places, kind))) == ("ok", 1, 0, 0)

    places.deliver(kind, "events", LOG_DATE, None)
    shop.ingest_days(source(places, kind), [NEXT_DAY], also_present=[LOG_DATE])
    assert shop.lake.partition("shop_events", LOG_DATE).status == "ok"

    gone = shop.ingest(source(places, kind))
    assert counts(gone) == ("missing", 0, 0, 0)
    assert "2026-10-05" in gone.reason


@pytest.mark.parametrize("kind", REMOTE)
def test_an_interrupted_request_reads_only_what_changed(kind: str, shop: Shop, places: LogPlaces) -> None:
    days = [LOG_DATE, NEXT_DAY]
    for day in days:
        places.deliver(kind, "events", day, events((f"{day}", at(day), "1")))
    read = shop.ingest_days(source(places, kind), days, request="one")
    again = shop.ingest_days(source(places, kind), days, request="one")
    assert again == read  # the very partitions: nothing was written

    places.deliver(kind, "events", NEXT_DAY, events((f"{NEXT_DAY}", at(NEXT_DAY), "2")))
    changed = shop.ingest_days(source(places, kind), days, request="one")
    assert shop.rows(changed[1], "m_amount") == [(200,)]
    assert changed[1].rows_file != read[1].rows_file
    if kind in ("s3", "postgres"):  # any commit to an Iceberg or Delta table is another version of all its days
        assert changed[0] == read[0]
    assert changed[0].content_hash == read[0].content_hash


@pytest.mark.parametrize("kind", ["postgres", "delta"])  # of objects it is as of files
def test_columns_that_do_not_fit_fail_the_day(kind: str, shop: Shop, places: LogPlaces) -> None:
    places.deliver(kind, "events", LOG_DATE, events(("a", at(LOG_DATE), "1")).drop_columns(["amount"]))
    lacking = shop.ingest(source(places, kind))
    assert lacking.status == "failed"
    assert "column 'amount' (amount) is missing; found: event_id, user_id, name, ts, channel" in lacking.reason
    assert not lacking.is_due

    strange = events(("a", at(LOG_DATE), "1")).drop_columns(["ts"]).append_column("ts", pa.array([5]))
    places.deliver(kind, "strange", LOG_DATE, strange)
    failed = shop.ingest(event_source(**{"path": "", **places.keys(kind, "strange")}))
    assert "column 'ts' has type BIGINT; occurred_at takes a timestamp or ISO 8601 text" in failed.reason


@pytest.mark.parametrize("kind", REMOTE)
def test_a_place_that_cannot_be_reached_costs_no_rows(
    kind: str, shop: Shop, places: LogPlaces, monkeypatch, database_url: str, store: str
) -> None:
    """What was read stays, what was not has failed; both are read by the next run, whatever day it is asked for."""
    for day in (LOG_DATE, NEXT_DAY):
        places.deliver(kind, "events", day, events((f"{day}", at(day), "1")))
    read = shop.ingest(source(places, kind))
    if kind in GONE:
        nowhere = {"s3": "http://127.0.0.1:9", "postgres": "postgresql://ana:hidden-pass@127.0.0.1:9/logs"}[kind]
        monkeypatch.setenv(GONE[kind], nowhere)
    else:
        (places.root / kind).rename(places.root / "elsewhere")

    kept, failed = shop.ingest_days(source(places, kind), [LOG_DATE, NEXT_DAY])

    assert (kept.status, kept.rows_file, kept.content_hash) == ("ok", read.rows_file, read.content_hash)
    assert kept.reason.startswith("kept as it was read before: shop_events cannot be read: ")
    assert (failed.status, failed.rows_accepted) == ("failed", 0)
    assert failed.reason.startswith("shop_events cannot be read: ")
    assert failed.reason.endswith("; the next run reads it, once that is mended")
    assert kept.is_due and failed.is_due
    assert "hidden-pass" not in kept.reason + failed.reason

    if kind in GONE:
        monkeypatch.setenv(GONE[kind], {"s3": store, "postgres": database_url}[kind])
    else:
        (places.root / "elsewhere").rename(places.root / kind)
    both = shop.ingest_days(source(places, kind), [LOG_DATE, NEXT_DAY])
    assert [(manifest.status, manifest.reason, manifest.is_due) for manifest in both] == [("ok", "", False)] * 2


def test_where_a_log_lies_is_no_part_of_its_contract(places: LogPlaces) -> None:
    assert len({source_contract(source(places, kind)) for kind in KINDS}) == 1


def test_globs_and_gzip_are_those_of_local_files(shop: Shop, store: str) -> None:
    import gzip

    header, line = "event_id,user_id,name,ts,amount,channel\n", "{},u1,purchase,2026-10-05T10:00:00Z,1,web\n"
    for key in ("a/1.csv.gz", "a/b/2.csv.gz", ".hidden/3.csv.gz", "a/.4.csv.gz", "a/5.txt", "a/"):
        body = gzip.compress((header + line.format(key)).encode())
        client().put_object(Bucket="logs", Key=f"globs/2026-10-05/{key}", Body=body)

    found = shop.ingest(event_source("csv", path="s3://logs/globs/{date}/**/*.csv.gz"))

    assert [file.path for file in found.files] == [
        "s3://logs/globs/2026-10-05/a/1.csv.gz",
        "s3://logs/globs/2026-10-05/a/b/2.csv.gz",
    ]
    assert shop.rows(found, "event_id") == [("a/1.csv.gz",), ("a/b/2.csv.gz",)]
    assert not list((shop.lake.root / ".scratch").iterdir())
