"""An object store and a PostgreSQL server for the module, and a shop with its logs in any kind of place."""

from pathlib import Path

import pytest

from tests.log_places import BUCKET, DATABASE, LogPlaces
from tests.object_store import client, object_store
from tests.orchestration.ingest_case import Shop
from tests.postgresql import postgres_server, skip_reason


@pytest.fixture(scope="session")
def store():
    with object_store() as address:
        yield address


@pytest.fixture(scope="session")
def database_url():
    if reason := skip_reason():
        pytest.skip(reason)
    with postgres_server() as server:
        yield server.url


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def places(shop: Shop, store: str, database_url: str, monkeypatch) -> LogPlaces:
    """All places, emptied."""
    for stored in client().list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client().delete_object(Bucket=BUCKET, Key=stored["Key"])
    monkeypatch.setenv(DATABASE, database_url)
    found = LogPlaces(shop.root / "data", database_url)
    found.execute("drop schema if exists server.logs cascade", "create schema server.logs")
    return found
