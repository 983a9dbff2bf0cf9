"""What is peculiar to PostgreSQL: its types, how a day is told, and what it is asked."""

from datetime import timedelta

import pytest

from orchestration.lake import DayManifest
from orchestration.remote.secrets import redacted
from tests.log_places import DATABASE, LogPlaces
from tests.orchestration.ingest_case import LOG_DATE, Shop, event_source

COLUMNS = (
    "event_id bigint, user_id uuid, name mood, ts timestamptz, amount numeric, channel boolean, loaded_at timestamptz"
)


def source(table: str = "logs.orders", log_date: str = "loaded_at", **changes):
    place = {"path": "", "format": "postgres", "table": table, "connection": DATABASE, "log_date": log_date}
    return event_source(**{**place, **changes})


@pytest.fixture
def orders(places: LogPlaces, shop: Shop) -> Shop:
    shop.timezone = "Europe/Berlin"  # 5 October begins at 22:00 UTC
    rows = [
        "(1, gen_random_uuid(), 'buy', '2026-10-05 12:00:00.5+02', 1.005, true, '2026-10-04 22:00:00+00')",
        "(2, gen_random_uuid(), 'buy', '2026-10-05 12:00:00+02', 'NaN', null, '2026-10-05 21:59:59.999999+00')",
        "(3, null, 'buy', '2026-10-05 12:00:00+02', 12345678901234.567, null, '2026-10-05 10:00:00+00')",
        "(4, gen_random_uuid(), 'buy', 'infinity', 1, null, '2026-10-05 10:00:00+00')",
        "(5, gen_random_uuid(), 'buy', '2026-10-05 12:00:00+02', 0.1, null, '2026-10-05 22:00:00+00')",
    ]
    for statement in (
        "drop type if exists mood cascade",
        "create type mood as enum ('buy', 'sell')",
        f"create table logs.orders ({COLUMNS})",
        f"insert into logs.orders values {', '.join(rows)}",
    ):
        places.execute("call postgres_execute('server', '" + statement.replace("'", "''") + "')")
    return shop


def reasons(shop: Shop, manifest: DayManifest) -> list[tuple]:
    return shop.quarantine(manifest, "reason, row_number")


def test_numbers_are_exact_and_days_are_the_projects(orders: Shop) -> None:
    found = orders.ingest(source())
    assert orders.rows(found, "event_id, event_name, m_amount, p_channel, occurred_at::varchar") == [
        ("1", "buy", 101, "true", "2026-10-05 10:00:00.5"),
    ]
    assert reasons(orders, found) == [
        ("bad_occurred_at", 4),
        ("missing_unit_id", 3),
        ("non_finite_amount", 2),
    ]
    assert found.files[0].path == "logs.orders/2026-10-05"
    assert orders.rows(orders.ingest(source(), LOG_DATE + timedelta(days=1)), "event_id") == [("5",)]


def test_wrong_credentials_a_missing_table_and_an_unset_variable(orders: Shop, monkeypatch, database_url) -> None:
    kept = orders.ingest(source()).rows_file
    cases = {
        "has no table logs.purchases": (source("logs.purchases"), database_url),
        'password authentication failed for user "equipoise"': (source(), database_url.replace(":s3cret", ":wr0ng")),
        f"the environment variable {DATABASE} is not set": (source(), ""),
    }
    for expected, (one, url) in cases.items():
        monkeypatch.setenv(DATABASE, url)
        found = orders.ingest(one)
        assert expected in found.reason
        assert (found.status, found.rows_file) == ("ok", kept)
        assert "wr0ng" not in found.reason


def test_secrets_are_cut_out_of_messages() -> None:
    url = "postgresql://ana:p%40ss-word@db/x"
    assert redacted(f'at "{url}": refused', [url]) == 'at "***": refused'
    assert redacted(f"cannot parse {url}?a=b") == "cannot parse postgresql://ana:***@db/x?a=b"
    assert redacted("host=db password='a b' user=ana") == "host=db password=*** user=ana"
