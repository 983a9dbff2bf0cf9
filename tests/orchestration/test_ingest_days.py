"""Several days in one session: they are audited together, and give what they give one by one."""

from datetime import timedelta
from pathlib import Path

import pytest

from orchestration.lake import DayManifest
from tests.orchestration.ingest_case import HEADER, LOG_DATE, Shop, event, event_source

DAYS = [LOG_DATE + timedelta(days=offset) for offset in range(9)]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def write_days(shop: Shop, *, bad: int | None = None) -> None:
    """30 new rows a day and one of each of the two days before; of the day `bad` every row is refused but these."""
    for number, day in enumerate(DAYS):
        ids = [f"{number}-{i}" for i in range(30)]
        repeated = [f"{number - 1}-0", f"{number - 2}-1"]
        amount = "ten" if number == bad else "1"
        rows = [event(id_, ts=f"{day}T10:00:00Z", amount=amount) for id_ in ids]
        rows += [event(id_, ts=f"{day}T10:00:00Z") for id_ in repeated]
        shop.write("a.csv", HEADER + "".join(rows), day)


def contents(manifests: list[DayManifest]) -> list[DayManifest]:
    """Without what differs between two lakes: names of files, and when the logs were written."""
    places = {"rows_file": None, "quarantine_file": None, "files": ()}
    return [manifest.model_copy(update=places) for manifest in manifests]


@pytest.mark.parametrize("bad", [None, 0, 4])
def test_days_together_are_as_one_by_one(bad: int | None, shop: Shop) -> None:
    write_days(shop, bad=bad)
    alone = Shop(shop.root / "alone")
    write_days(alone, bad=bad)

    together = shop.ingest_days(event_source(), DAYS)

    assert contents(together) == contents([alone.ingest(event_source(), day) for day in DAYS])
    assert [manifest.status for manifest in together] == [
        "failed" if number == bad else "ok" for number in range(len(DAYS))
    ]
    for manifest, day in zip(together, DAYS, strict=True):
        assert shop.lake.partition("shop_events", day) == manifest
        assert shop.rows(manifest, "event_id") == alone.rows(alone.lake.partition("shop_events", day), "event_id")


def test_rows_of_a_failed_day_make_no_duplicates(shop: Shop) -> None:
    write_days(shop, bad=4)
    manifests = shop.ingest_days(event_source(), DAYS)
    duplicates = [manifest.rows_duplicate for manifest in manifests]
    # The first two days have fewer days before them; day 4's own rows were refused, so only one of two is known
    # to days 5 and 6.
    assert duplicates == [0, 1, 2, 2, 0, 1, 1, 2, 2]


def test_a_failed_day_is_told_with_its_worst_row(shop: Shop) -> None:
    write_days(shop, bad=4)
    manifest = shop.ingest_days(event_source(), DAYS)[4]
    assert "rows is 0, expected at least 1.0; rows refused: bad_amount 30;" in manifest.reason
    assert "the first bad_amount is events/2026-10-09/a.csv row 1: " in manifest.reason


def test_nothing_is_left_in_scratch(shop: Shop) -> None:
    write_days(shop, bad=4)
    shop.ingest_days(event_source(), DAYS)
    assert list((shop.lake.root / ".scratch").iterdir()) == []
