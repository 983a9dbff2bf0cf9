"""What is peculiar to Iceberg and Delta: which version is current, and tables in an object store."""

import pytest

from tests.log_places import BUCKET, LogPlaces
from tests.object_store import KEY_ID, SECRET
from tests.orchestration.ingest_case import LOG_DATE, Shop, event_source
from tests.orchestration.remote.test_places import at, events

ROWS = events(("a", at(LOG_DATE), "1"), ("b", at(LOG_DATE), "2"))


def source(places: LogPlaces, kind: str, **changes):
    return event_source(**{**places.keys(kind, "events"), **changes})


def test_the_hint_of_an_iceberg_table_counts(shop: Shop, places: LogPlaces) -> None:
    """It says version 1 while 2 is being committed; without a hint two files of one number cannot be told apart."""
    places.deliver("iceberg", "events", LOG_DATE, ROWS)
    metadata = places.root / "iceberg" / "logs" / "events" / "metadata"
    (current,) = metadata.glob("00001-*.metadata.json")
    (metadata / "00002-begun.metadata.json").write_text("{}")
    (metadata / "version-hint.text").write_text("7")
    assert shop.ingest(source(places, "iceberg")).reason.endswith(
        "metadata/version-hint.text; the next run reads it, once that is mended"
    )
    (metadata / "version-hint.text").write_text("1\n")
    found = shop.ingest(source(places, "iceberg"))
    assert (found.status, found.files[0].version) == ("ok", current.name)

    (metadata / "version-hint.text").unlink()
    (metadata / "00002-too.metadata.json").write_text("{}")
    kept = shop.ingest(source(places, "iceberg"))
    assert "which metadata file is current cannot be told (00002-begun.metadata.json, 00002-too" in kept.reason
    assert kept.rows_file == found.rows_file


def test_a_folder_that_is_no_table(shop: Shop, places: LogPlaces) -> None:
    found = shop.ingest(source(places, "delta", path="nowhere"))
    assert "shop_events cannot be read: nowhere is no Delta table: it has no commit in _delta_log" in found.reason


@pytest.mark.slow
def test_tables_in_an_object_store(shop: Shop, places: LogPlaces, store: str) -> None:
    from deltalake import write_deltalake
    from pyiceberg.catalog.sql import SqlCatalog

    rows = ROWS.append_column("log_date", [[LOG_DATE] * len(ROWS)])
    access = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "aws_region": "us-east-1"}
    options = {"aws_endpoint_url": store, "aws_allow_http": "true", "aws_s3_allow_unsafe_rename": "true"}
    write_deltalake(f"s3://{BUCKET}/delta", rows, storage_options=access | options)
    places.root.mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog(
        "logs",
        uri=f"sqlite:///{places.root}/catalog.db",
        warehouse=f"s3://{BUCKET}/iceberg",
        **{"s3.endpoint": store, "s3.access-key-id": KEY_ID, "s3.secret-access-key": SECRET, "s3.region": "us-east-1"},
    )
    catalog.create_namespace("n")
    catalog.create_table("n.events", schema=rows.schema).append(rows)

    for kind, path in (("delta", "delta"), ("iceberg", "iceberg/n/events")):
        found = shop.ingest(source(places, kind, id=f"from_{kind}", path=f"s3://{BUCKET}/{path}"))
        assert (found.status, found.rows_accepted) == ("ok", 2), found.reason
