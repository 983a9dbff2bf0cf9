"""What is peculiar to object stores: who may read, and objects that change while they are read."""

import urllib.request
from pathlib import Path

import pytest

from orchestration.remote.object_store import ChangedObjectError, ObjectStore, ObjectStoreError
from tests.log_places import BUCKET, LogPlaces
from tests.object_store import SECRET, client
from tests.orchestration.ingest_case import HEADER, Shop, event, event_source

SOURCE = event_source("csv", path=f"s3://{BUCKET}/events/{{date}}.csv")


def put(content: str) -> None:
    client().put_object(Bucket=BUCKET, Key="events/2026-10-05.csv", Body=content.encode())


def judge_requests(address: str, after: str) -> None:
    """From how many requests on the store looks at credentials."""
    request = urllib.request.Request(f"{address}/moto-api/reset-auth", after.encode(), method="POST")
    urllib.request.urlopen(request).close()


def test_wrong_credentials_a_missing_bucket_and_none_at_all(shop: Shop, places: LogPlaces, store, monkeypatch) -> None:
    put(HEADER + event("a"))
    kept = shop.ingest(SOURCE).rows_file
    judge_requests(store, "0")
    try:
        refused = shop.ingest(SOURCE)
    finally:
        judge_requests(store, "inf")
    assert refused.rows_file == kept
    assert "InvalidAccessKeyId" in refused.reason
    assert "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN" in refused.reason
    assert SECRET not in refused.reason

    elsewhere = shop.ingest(SOURCE.model_copy(update={"path": "s3://nowhere/events/{date}.csv"}))
    assert "s3://nowhere: NoSuchBucket" in elsewhere.reason
    assert "AWS_ENDPOINT_URL_S3" in elsewhere.reason

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "no credentials; set AWS_ACCESS_KEY_ID" in shop.ingest(SOURCE).reason


def test_an_object_that_is_replaced_while_it_is_read(places: LogPlaces, tmp_path: Path) -> None:
    put("one")
    store = ObjectStore(BUCKET)
    listed = list(store.listing("events/"))
    put("another")
    with pytest.raises(ChangedObjectError, match="an object changed while the log was read"):
        store.download(listed, [tmp_path / "copy"])


def test_a_damaged_object_fails_the_day_as_a_file_does(shop: Shop, places: LogPlaces) -> None:
    client().put_object(Bucket=BUCKET, Key="events/2026-10-05.csv", Body=b"event_id\0")
    found = shop.ingest(SOURCE)
    assert (found.status, found.is_due) == ("failed", False)
    assert found.reason.startswith(f"s3://{BUCKET}/events/2026-10-05.csv: line 1: NUL at byte 8")


def test_a_store_needs_its_extra(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    with pytest.raises(ObjectStoreError, match=r"needs boto3: install it with `pip install 'equipoise\[s3\]'`"):
        list(ObjectStore(BUCKET).listing(""))
