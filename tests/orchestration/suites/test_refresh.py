"""`equipoise suites refresh`: what it writes, what it leaves to people, and what it says of both."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from configs.load import load_static
from configs.suite_load import load_valid_suites
from orchestration.workspace import Workspace
from tests.orchestration.ingest_case import Shop, event_source
from tests.orchestration.suites.weeks import DAYS, write_events


@pytest.fixture
def refresh(own_weeks, equipoise):
    """Calls the command for the event log; returns exit status and changes by expectation."""

    def call(*arguments: str) -> tuple[int, dict[str, tuple[str, str]]]:
        printed = equipoise(own_weeks, "suites", "refresh", "shop_events", *arguments, "--format", "json")
        changes = {row["expectation"]: (row["change"], row["suggested"]) for row in json.loads(printed.out)}
        return printed.status, changes

    return call


@pytest.fixture
def file(own_weeks) -> Path:
    return own_weeks.configs / "expectations" / "shop_events.yaml"


def kinds(changes: dict[str, tuple[str, str]]) -> set[str]:
    return {kind for kind, _ in changes.values()}


def read_three_times_as_much(workspace: Workspace) -> None:
    shop, rng = Shop(workspace.state), np.random.default_rng(2)
    for number in range(len(DAYS)):
        write_events(shop, rng, number, scale=3)
    shop.ingest_days(event_source(), DAYS)


def test_the_first_one_writes_a_valid_file_and_the_second_nothing(refresh, file, own_weeks):
    status, changes = refresh("--check")
    assert (status, kinds(changes), file.exists()) == (1, {"added"}, False)
    status, changes = refresh()
    assert (status, kinds(changes)) == (0, {"added"})
    text = file.read_text()
    suites = load_valid_suites(own_weeks.configs, load_static(own_weeks.configs)[1])
    assert suites["shop_events"].refreshed.days == len(DAYS)
    assert "    observed: " in text and text.startswith("# What a day of shop_events looks like")
    assert refresh("--check") == (0, {})
    assert refresh() == (0, {}) and file.read_text() == text


def test_what_people_wrote_stays_and_is_told_of(refresh, file, own_weeks):
    refresh()
    text = file.read_text()
    edited = re.sub(r"(figure: rows_read\n    min_value: )\d+", r"\g<1>5  # we have holidays", text)
    edited = edited.replace(
        "    max_value: 0.01\n    severity: warning\n", "    max_value: 0.01\n    severity: blocking\n", 1
    )
    edited = re.sub(r"  - figure: duplicate_share\n(    .*\n)+", "", edited)
    edited = edited.replace("rows:\n", "# of single rows\nrows:\n", 1)
    own = "  - {expect: column_values_to_not_be_null, column: amount, event: purchase}  # ask Ana\n"
    edited = edited.replace("refreshed:\n", own + "refreshed:\n", 1)
    file.write_text(edited)

    status, changes = refresh("--check")
    assert status == 0
    assert {label: kind for label, (kind, _) in changes.items()} == {
        "rows_read": "kept",
        "late_share": "kept",
        "duplicate_share": "left out",
    }
    assert changes["late_share"] == ("kept", "max_value 0.01, severity warning")

    read_three_times_as_much(own_weeks)
    status, changes = refresh()
    assert status == 0
    written = {label for label, (kind, _) in changes.items() if kind == "changed"}
    assert "rows_per_unit" in written and "rows_read" not in written
    after = file.read_text().splitlines()
    before = edited.splitlines()
    for line in ("    min_value: 5  # we have holidays", "# of single rows", own.rstrip(), "    severity: blocking"):
        assert after.count(line) == before.count(line)
    assert "figure: duplicate_share" not in file.read_text()
    assert len(after) == len(before)  # entries were changed where they stand


def test_an_entry_handed_back_is_written_again(refresh, file):
    refresh()
    text = re.sub(r"  - figure: duplicate_share\n(    .*\n)+", "", file.read_text())
    file.write_text(re.sub(r"    duplicate_share: .*\n", "", text))
    assert {label: kind for label, (kind, _) in refresh()[1].items()} == {"duplicate_share": "added"}
    assert "figure: duplicate_share" in file.read_text()


def test_what_is_no_longer_so_goes(refresh, file, own_weeks):
    refresh()
    shop = Shop(own_weeks.state)
    for day in DAYS:
        path = shop.path("a.csv", day)
        path.write_text(path.read_text().replace(",app\n", f",{day}-app\n").replace(",web\n", f",{day}-web\n"))
    shop.ingest_days(event_source(), DAYS)
    text = file.read_text().replace("rows:\n", "# of single rows\nrows:\n", 1)
    file.write_text(text)
    _, changes = refresh()
    assert changes == {"column_values_to_be_in_set channel": ("removed", "")}
    after = file.read_text()
    assert "column: channel" not in after and "# of single rows\nrows:\n" in after
    assert refresh("--check") == (0, {})


def test_a_new_entry_does_not_move_the_comments(refresh, file):
    refresh()
    text = re.sub(r"  - figure: median\n(    .*\n)+", "", file.read_text())
    text = re.sub(r"    median of .*\n", "", text)
    file.write_text(text.replace("rows:\n", "\n# of single rows\nrows:\n", 1))
    assert {label: kind for label, (kind, _) in refresh()[1].items()} == {"median of amount (purchase)": "added"}
    lines = file.read_text().splitlines()
    place = lines.index("# of single rows")
    assert lines[place + 1] == "rows:"
    assert "    event: purchase" in lines[place - 7 : place]


def test_too_little_history_keeps_what_was_learnt(refresh, file, own_weeks, equipoise, tmp_path):
    refresh()
    text = file.read_text()
    nowhere = Workspace(own_weeks.configs, own_weeks.data, tmp_path / "nowhere")
    printed = equipoise(nowhere, "suites", "refresh", "shop_events", "--check")
    assert (printed.status, printed.out, file.read_text()) == (0, "every suite is up to date\n", text)
    assert "shop_events: 0 days with rows in the lake; ranges are learnt from 14 on" in printed.err


def test_errors_say_what_to_do(file, own_weeks, equipoise):
    printed = equipoise(own_weeks, "suites", "refresh", "shop_event")
    assert (printed.status, printed.err) == (1, "unknown source 'shop_event'; did you mean 'shop_events'?\n")
    file.parent.mkdir()
    file.write_text("day:\n  - {figure: rows, max: 3}\n")
    printed = equipoise(own_weeks, "suites", "refresh")
    assert (printed.status, printed.out) == (1, "")
    assert printed.err.startswith("expectations/shop_events.yaml:2: day: unknown key 'max'")
    assert file.read_text() == "day:\n  - {figure: rows, max: 3}\n"
