"""What a partition is made of: files, duplicates, and that a rerun changes nothing."""

import gzip
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.ingest import IngestError
from orchestration.ingest.log_files import log_files
from orchestration.lake import LakeError
from tests.orchestration.ingest_case import (
    EXPOSURE_HEADER,
    HEADER,
    LOG_DATE,
    Shop,
    event,
    event_source,
    exposure_source,
    one_event_parquet,
)

NEXT_DAY = LOG_DATE + timedelta(days=1)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_the_first_of_equal_event_ids_stays_by_file_then_row(shop: Shop) -> None:
    shop.write("b.csv", HEADER + event("e1", amount="3") + event("e2", amount="3"))
    shop.write("a.csv", HEADER + event("e1", amount="1") + event("e1", amount="2"))
    manifest = shop.ingest(event_source())
    assert shop.rows(manifest, "event_id, m_amount") == [("e1", 100), ("e2", 300)]
    assert (manifest.rows_read, manifest.rows_accepted, manifest.rows_duplicate) == (4, 2, 2)


@pytest.mark.parametrize(("days_later", "n_accepted"), [(1, 0), (3, 0), (4, 1)])
def test_event_ids_are_compared_with_the_days_a_row_may_be_late(days_later: int, n_accepted: int, shop: Shop) -> None:
    later = LOG_DATE + timedelta(days=days_later)
    shop.write("a.csv", HEADER + event("e1"))
    shop.write("a.csv", HEADER + event("e1", ts=f"{later}T10:00:00Z"), later)
    shop.ingest(event_source())
    manifest = shop.ingest(event_source(), later)
    assert (manifest.status, manifest.rows_accepted, manifest.rows_duplicate) == ("ok", n_accepted, 1 - n_accepted)


def test_a_day_never_looks_at_later_ones(shop: Shop) -> None:
    for day in (NEXT_DAY, LOG_DATE):
        shop.write("a.csv", HEADER + event("e1", ts=f"{day}T10:00:00Z"), day)
        manifest = shop.ingest(event_source(), day)
        assert manifest.rows_accepted == 1


def test_a_refused_row_is_no_first_of_its_kind(shop: Shop) -> None:
    shop.write("a.csv", HEADER + event("e1", amount="ten") + event("e1", amount="2"))
    manifest = shop.ingest(event_source())
    assert shop.rows(manifest, "event_id, m_amount") == [("e1", 200)]
    assert (manifest.rows_duplicate, manifest.rows_quarantined) == (0, 1)


def test_exposures_are_duplicates_when_the_whole_row_is(shop: Shop) -> None:
    row = "u1,checkout,fast,2026-10-05T10:00:00Z,"
    shop.write("a.csv", EXPOSURE_HEADER + f"{row}\n{row}DE\n{row}\n{row}DE\n", kind="exposures")
    manifest = shop.ingest(exposure_source())
    assert shop.rows(manifest, "a_country") == [("DE",), (None,)]
    assert manifest.rows_duplicate == 2

    shop.write("a.csv", EXPOSURE_HEADER + f"{row}\n{row}FR\n", NEXT_DAY, kind="exposures")
    manifest = shop.ingest(exposure_source(), NEXT_DAY)
    assert shop.rows(manifest, "a_country") == [("FR",)]


def test_an_attribute_newer_than_the_lake_is_missing_there(shop: Shop) -> None:
    shop.write("a.csv", EXPOSURE_HEADER + "u1,checkout,fast,2026-10-05T10:00:00Z,DE\n", kind="exposures")
    shop.ingest(exposure_source(attributes=[]))
    rows = "u1,checkout,fast,2026-10-05T10:00:00Z,\nu1,checkout,fast,2026-10-05T10:00:00Z,DE\n"
    shop.write("a.csv", EXPOSURE_HEADER + rows, NEXT_DAY, kind="exposures")
    manifest = shop.ingest(exposure_source(), NEXT_DAY)
    assert shop.rows(manifest, "a_country") == [("DE",)]
    assert manifest.rows_duplicate == 1


def test_files_may_hold_the_same_field_in_different_types(shop: Shop) -> None:
    one_event_parquet(shop, "a.parquet", user_id=pa.array([5]))
    one_event_parquet(shop, "b.parquet", user_id=pa.array(["5"]), amount=pa.array([3]))
    one_event_parquet(shop, "c[1]*.parquet", event_id=pa.array(["e2"]), user_id=pa.array([5.0]))
    manifest = shop.ingest(event_source("parquet"))
    assert shop.rows(manifest, "event_id, unit_id, m_amount") == [("e1", "5", 150), ("e2", "5", 150)]


def test_row_numbers_survive_many_threads(shop: Shop) -> None:
    """Large enough for the reader to split: the first copy must stay, and the rest keep their places."""
    n = 300_000
    lines = [event(f"e{i % (n - 1000)}", amount=str(i % 97)) for i in range(n)]
    lines[200_000] = "torn,row\n"
    lines[250_000] = event("bad", amount="ten")
    shop.write("a.csv.gz", gzip.compress((HEADER + "".join(lines)).encode(), 1))
    manifest = shop.ingest(event_source())
    assert shop.quarantine(manifest, "row_number, reason") == [
        (200_001, "malformed_row"),
        (250_001, "bad_amount"),
    ]
    assert (manifest.rows_read, manifest.rows_duplicate) == (n, 1000)
    first = dict(shop.rows(manifest, "event_id, m_amount"))
    assert all(first[f"e{i}"] == i % 97 * 100 for i in range(1000))


def test_no_file_is_missing_or_empty_as_the_source_says(shop: Shop) -> None:
    missing = shop.ingest(event_source())
    assert (missing.status, missing.reason) == ("missing", "no file matches events/2026-10-05/*")
    empty = shop.ingest(event_source(allow_empty_days=True))
    assert (empty.status, empty.reason) == ("empty", "")
    assert shop.lake.partition("shop_events", LOG_DATE) == empty


def test_globs_reach_folders_below_and_leave_hidden_files(shop: Shop) -> None:
    for i, name in enumerate(["x.csv", "hour=01/x.csv", "hour=02/y/x.csv", "hour=02/.x.csv", "x.txt"]):
        shop.write(name, HEADER + event(f"e{i}"))
    manifest = shop.ingest(event_source(path="events/{date}/**/*.csv"))
    assert [file.path for file in manifest.files] == [
        "events/2026-10-05/hour=01/x.csv",
        "events/2026-10-05/hour=02/y/x.csv",
        "events/2026-10-05/x.csv",
    ]
    assert shop.rows(manifest, "event_id") == [("e0",), ("e1",), ("e2",)]


def test_a_missing_data_folder_is_no_missing_day(shop: Shop) -> None:
    shop.ingest(event_source())
    (shop.root / "data").rename(shop.root / "moved")
    with pytest.raises(IngestError, match="no such data folder"):
        log_files("events/{date}/*", LOG_DATE, shop.root / "data")


def test_a_path_of_another_object_store_is_refused(shop: Shop) -> None:
    with pytest.raises(IngestError, match="object stores are read as s3://bucket/key"):
        shop.ingest(event_source(path="gs://bucket/{date}/*.csv"))


def test_a_fault_of_the_machine_leaves_the_partition_as_it_was(shop: Shop) -> None:
    shop.write("a.csv", HEADER + event("e1"))
    before = shop.ingest(event_source())
    (shop.lake.root / ".scratch").rmdir()
    (shop.lake.root / ".scratch").write_text("a file where ingest needs a folder")

    with pytest.raises(IngestError, match="the partition is unchanged"):
        shop.ingest(event_source())
    assert shop.lake.partition("shop_events", LOG_DATE) == before


def test_an_unreadable_earlier_manifest_is_not_ingested_over(shop: Shop) -> None:
    shop.write("a.csv", HEADER + event("e1"))
    shop.ingest(event_source())
    (shop.lake.folder("shop_events", LOG_DATE) / "day.json").write_text("{")
    shop.write("a.csv", HEADER + event("e1", ts="2026-10-06T10:00:00Z"), NEXT_DAY)
    with pytest.raises(LakeError, match="not a valid manifest"):
        shop.ingest(event_source(), NEXT_DAY)


def test_a_rerun_changes_nothing_but_file_names(shop: Shop) -> None:
    shop.write("a.csv", HEADER + event("e1") + event("e1") + event("e2", amount="ten") + event("e3"))
    first, second = shop.ingest(event_source()), shop.ingest(event_source())
    names = {"rows_file": None, "quarantine_file": None}
    assert first.model_copy(update=names) == second.model_copy(update=names)
    assert first.rows_file != second.rows_file
    assert len(list(shop.lake.folder("shop_events", LOG_DATE).iterdir())) == 3


def test_the_content_hash_sees_rows_not_order_or_layout(shop: Shop) -> None:
    rows = [event(f"e{i}", amount=str(i)) for i in range(10)]
    shop.write("a.csv", HEADER + "".join(rows))
    whole = shop.ingest(event_source()).content_hash
    shop.write("a.csv", HEADER + "".join(reversed(rows[5:])))
    shop.write("b.csv", HEADER + "".join(rows[:5]))
    assert shop.ingest(event_source()).content_hash == whole
    shop.write("b.csv", HEADER + "".join(rows[:4]) + event("e4", amount="4.01"))
    assert shop.ingest(event_source()).content_hash != whole
    shop.write("b.csv", HEADER + "".join(rows[:5]))
    assert shop.ingest(event_source(properties=[])).content_hash != whole


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 12).map(lambda i: f"e{i}" if i else ""),
            st.sampled_from(
                [
                    "2026-10-05T10:00:00Z",
                    "2026-10-05T11:00:00+01:00",
                    "2026-09-30T10:00:00Z",
                    "2026-10-07T10:00:00Z",
                    "x",
                ]
            ),
            st.sampled_from(["1", "1.5", "", "nan", "x", "1e20"]),
            st.sampled_from(["web", "", "torn,row"]),
        ),
        max_size=40,
    ),
    cut=st.integers(0, 40),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_row_is_accepted_duplicate_or_quarantined(
    rows: list[tuple[str, str, str, str]], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shop = Shop(tmp_path_factory.mktemp("ledger"))
    lines = [f"{event_id},u1,x,{ts},{amount},{channel}\n" for event_id, ts, amount, channel in rows]
    shop.write("a.csv", HEADER + "".join(lines[:cut]))
    shop.write("b.csv", HEADER + "".join(lines[cut:]))

    manifest = shop.ingest(event_source())

    good = [
        event_id
        for event_id, ts, amount, channel in rows
        if event_id and ts.startswith("2026-10-05") and amount in ("1", "1.5", "") and channel != "torn,row"
    ]
    bad = len(rows) - len(good)
    if manifest.status == "failed":
        assert len(rows) >= 20
        assert bad * 2 > len(rows)
        return
    assert manifest.rows_read == len(rows)
    assert manifest.rows_accepted == len(set(good)) == len(shop.rows(manifest))
    assert manifest.rows_duplicate == len(good) - len(set(good))
    assert manifest.rows_quarantined == bad == len(shop.quarantine(manifest))
