"""The folder that decisions are computed again in: a still picture of the lake, gone at the end."""

import os
from datetime import date

import pytest

from orchestration.lake import DayManifest, Lake, LakeError
from orchestration.lock import writer_lock
from orchestration.recompute import FOLDER, link_lake, scratch_folder
from orchestration.workspace import Workspace

DAY, NEXT = date(2026, 10, 1), date(2026, 10, 2)


@pytest.fixture
def live(tmp_path) -> Workspace:
    workspace = Workspace(tmp_path / "configs", tmp_path / "data", tmp_path / "state")
    for day in (DAY, NEXT):
        commit(workspace, day, f"rows of {day}")
    Lake(workspace.lake).commit(manifest(date(2026, 10, 3), status="missing", reason="no file"))
    return workspace


def manifest(day: date, **values) -> DayManifest:
    return DayManifest(source_id="orders", log_date=day, **({"status": "ok"} | values))


def commit(workspace: Workspace, day: date, text: str) -> None:
    lake = Lake(workspace.lake)
    with lake.scratch() as scratch:
        (scratch / "rows").write_text(text)
        lake.commit(manifest(day, content_hash=text), rows=scratch / "rows")


def texts(lake: Lake) -> list[str]:
    return [path.read_text() for path in lake.rows_files("orders", [DAY, NEXT])]


def test_a_linked_lake_stays_as_it_was_while_the_live_one_changes(live, tmp_path):
    link_lake(live, tmp_path / "linked", ["orders", "visits"], NEXT)
    commit(live, DAY, "corrected")

    linked = Lake(tmp_path / "linked")
    assert texts(linked) == ["rows of 2026-10-01", "rows of 2026-10-02"]
    assert texts(Lake(live.lake)) == ["corrected", "rows of 2026-10-02"]
    assert [day.log_date for day in linked.manifests("orders", date.min, date.max)] == [DAY, NEXT]


def test_a_day_without_rows_is_linked_too(live, tmp_path):
    link_lake(live, tmp_path / "linked", ["orders"], date.max)
    assert Lake(tmp_path / "linked").partition("orders", date(2026, 10, 3)) == manifest(
        date(2026, 10, 3), status="missing", reason="no file"
    )


def test_rows_that_are_gone_are_told_with_the_day_to_read_again(live, tmp_path):
    (file,) = Lake(live.lake).rows_files("orders", [NEXT])
    file.unlink()
    with pytest.raises(LakeError, match=r"log_date=2026-10-02: the rows .* `equipoise run --date 2026-10-02`"):
        link_lake(live, tmp_path / "linked", ["orders"], NEXT)


def test_the_folder_goes_with_what_was_in_it_also_after_an_error(live):
    with pytest.raises(ZeroDivisionError), scratch_folder(live) as folder:
        (folder / "warehouse.duckdb").touch()
        raise ZeroDivisionError
    assert not folder.exists()


def test_what_a_dead_process_left_goes_and_what_another_one_uses_stays(live):
    dead, alive = (live.state / FOLDER / name for name in ("dead", "alive"))
    for folder in (dead, alive):
        folder.mkdir(parents=True)
        (folder / "warehouse.duckdb").touch()
    ready, done = os.pipe(), os.pipe()
    holder = os.fork()  # the lock is a process's own
    if not holder:
        with writer_lock(alive / "lock"):
            os.write(ready[1], b".")
            os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        with scratch_folder(live) as folder:
            assert folder.parent == live.state / FOLDER
            assert not dead.exists() and (alive / "warehouse.duckdb").exists()
    finally:
        os.write(done[1], b".")
        os.waitpid(holder, 0)
