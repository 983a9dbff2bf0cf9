"""The journal of a request, and the days that a second start of it does not read again."""

import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from orchestration.lake import DayManifest
from orchestration.request import definition_digest, finish_request, take_up_request
from tests.orchestration.ingest_case import HEADER, LOG_DATE, Shop, event, event_source

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
DAYS = [LOG_DATE + timedelta(days=offset) for offset in range(6)]


def test_an_unfinished_request_is_taken_up(tmp_path: Path) -> None:
    request = take_up_request(tmp_path / "state", FIRST, LAST)
    assert take_up_request(tmp_path / "state", FIRST, LAST) == request


@pytest.mark.parametrize(("first", "last"), [(FIRST, FIRST), (LAST, LAST)])
def test_another_request_replaces_it(first: date, last: date, tmp_path: Path) -> None:
    request = take_up_request(tmp_path, FIRST, LAST)
    other = take_up_request(tmp_path, first, last)
    assert other.token != request.token
    assert take_up_request(tmp_path, FIRST, LAST).token != request.token


def test_a_finished_request_is_not_taken_up(tmp_path: Path) -> None:
    request = take_up_request(tmp_path, FIRST, LAST)
    finish_request(tmp_path)
    finish_request(tmp_path)
    assert take_up_request(tmp_path, FIRST, LAST).token != request.token


def test_a_damaged_journal_is_a_new_request(tmp_path: Path) -> None:
    request = take_up_request(tmp_path, FIRST, LAST)
    (tmp_path / "request.json").write_text("{")
    assert take_up_request(tmp_path, FIRST, LAST).token != request.token


def test_the_definition_does_not_depend_on_the_order_of_keys() -> None:
    assert definition_digest({"a": 1, "b": FIRST}) == definition_digest({"b": FIRST, "a": 1}) != definition_digest({})


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    for day in DAYS:
        write_day(shop, day)
    return shop


def write_day(shop: Shop, day: date, *more: str) -> None:
    ids = [day.isoformat(), *more]
    shop.write("a.csv", HEADER + "".join(event(id_, ts=f"{day}T10:00:00Z") for id_ in ids), day)


def read_again(before: list[DayManifest], after: list[DayManifest]) -> list[date]:
    """Days whose rows file is another one."""
    names = {manifest.log_date: manifest.rows_file for manifest in before}
    return [manifest.log_date for manifest in after if manifest.rows_file != names.get(manifest.log_date)]


def test_days_read_before_the_kill_are_skipped(shop: Shop) -> None:
    before = shop.ingest_days(event_source(), DAYS[:4], request="r1")
    after = shop.ingest_days(event_source(), DAYS, request="r1")
    assert [manifest.log_date for manifest in after] == DAYS
    assert read_again(before, after) == DAYS[4:]


@pytest.mark.parametrize("request_token", ["r2", ""])
def test_another_request_reads_every_day(request_token: str, shop: Shop) -> None:
    before = shop.ingest_days(event_source(), DAYS, request="r1")
    assert read_again(before, shop.ingest_days(event_source(), DAYS, request=request_token)) == DAYS


def test_files_changed_meanwhile_are_read_and_what_they_reach(shop: Shop) -> None:
    before = shop.ingest_days(event_source(), DAYS, request="r1")
    write_day(shop, DAYS[1], DAYS[2].isoformat())
    after = shop.ingest_days(event_source(), DAYS, request="r1")
    # Day 2 lost its row to day 1, which changes it: so it reaches day 5.
    assert read_again(before, after) == DAYS[1:6]
    assert [manifest.rows_duplicate for manifest in after] == [0, 0, 1, 0, 0, 0]


def test_a_file_of_the_same_size_and_date_is_told_by_when_it_changed(shop: Shop) -> None:
    before = shop.ingest_days(event_source(), DAYS, request="r1")
    path = shop.path("a.csv", DAYS[5])
    dates = path.stat()
    path.write_text(path.read_text().replace(",u1,", ",u2,"))
    os.utime(path, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    after = shop.ingest_days(event_source(), DAYS, request="r1")
    assert read_again(before, after) == [DAYS[5]]


def test_a_torn_rows_file_is_read_again(shop: Shop) -> None:
    before = shop.ingest_days(event_source(), DAYS, request="r1")
    rows = shop.lake.folder("shop_events", DAYS[5]) / str(before[5].rows_file)
    rows.write_bytes(rows.read_bytes()[:-10])
    assert read_again(before, shop.ingest_days(event_source(), DAYS, request="r1")) == [DAYS[5]]


def test_days_after_the_request_that_a_skipped_one_may_have_changed_are_read(shop: Shop) -> None:
    everything = shop.ingest_days(event_source(), DAYS, request="r1")
    write_day(shop, DAYS[0], DAYS[2].isoformat())
    # A correction of day 0, killed before it came to the days that this reaches.
    shop.ingest_days(event_source(), DAYS[:1], request="r2")
    after = shop.ingest_days(event_source(), DAYS[:1], also_present=DAYS[1:], request="r2")
    assert read_again(everything, after) == [DAYS[0], *DAYS[1:6]]
    assert [manifest.rows_duplicate for manifest in after] == [0, 0, 1, 0, 0, 0]
