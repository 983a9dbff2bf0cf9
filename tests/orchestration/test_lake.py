"""The lake: a partition is replaced whole or not at all, whatever happens in between."""

import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from orchestration.lake import DayManifest, Lake, LakeError

DAY = date(2026, 10, 5)


def commit(lake: Lake, content: bytes, *, day: date = DAY, status: str = "ok") -> DayManifest:
    with lake.scratch() as scratch:
        rows, quarantine = scratch / "rows", scratch / "quarantine"
        rows.write_bytes(content)
        quarantine.write_bytes(content[::-1])
        manifest = DayManifest(source_id="shop", log_date=day, status=status, rows_accepted=len(content))
        return lake.commit(manifest, rows, quarantine)


def test_a_partition_is_what_was_committed_last(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.partition("shop", DAY) is None

    commit(lake, b"old")
    new = commit(lake, b"newer")

    assert lake.partition("shop", DAY) == new
    assert new.rows_accepted == 5
    folder = lake.folder("shop", DAY)
    assert sorted(path.name for path in folder.iterdir()) == sorted(["day.json", new.rows_file, new.quarantine_file])
    assert (folder / new.rows_file).read_bytes() == b"newer"
    assert (folder / new.quarantine_file).read_bytes() == b"rewen"


def test_files_and_manifests_are_listed_by_log_date(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    days = [DAY + timedelta(days=offset) for offset in (2, 0, 1)]
    for day in days:
        commit(lake, day.isoformat().encode(), day=day)
    lake.commit(DayManifest(source_id="shop", log_date=DAY + timedelta(days=3), status="missing"))

    listed = lake.manifests("shop", DAY + timedelta(days=1), DAY + timedelta(days=9))
    assert [manifest.log_date.day for manifest in listed] == [6, 7, 8]
    files = lake.rows_files("shop", [*days, DAY + timedelta(days=3), DAY + timedelta(days=4)])
    assert [path.read_text() for path in files] == ["2026-10-05", "2026-10-06", "2026-10-07"]
    assert lake.manifests("other", DAY, DAY) == []


def test_clean_removes_what_no_manifest_names(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    kept = commit(lake, b"rows")
    folder = lake.folder("shop", DAY)
    orphan = folder / "rows-0123456789ab.parquet"
    never_committed = lake.folder("shop", DAY + timedelta(days=1)) / "rows-ab.parquet"
    dead_scratch = tmp_path / ".scratch" / "dead" / "rows"
    for path in (orphan, never_committed, dead_scratch):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left over")

    removed = lake.clean()

    assert removed == [dead_scratch.parent, orphan, never_committed]
    assert not any(path.exists() for path in (orphan, never_committed, dead_scratch))
    assert (folder / kept.rows_file).read_bytes() == b"rows"
    assert lake.clean() == []


def test_clean_leaves_a_day_whose_manifest_cannot_be_read(tmp_path: Path) -> None:
    """Its rows may be all there is of it."""
    lake = Lake(tmp_path)
    rows_file = commit(lake, b"rows").rows_file
    folder = lake.folder("shop", DAY)
    (folder / "day.json").write_text("{")

    assert lake.clean() == []
    assert (folder / rows_file).read_bytes() == b"rows"


@pytest.mark.parametrize("content", ["", '{"source_id": "shop"', '{"source_id": "shop", "log_date": "2026-10-05"}'])
def test_an_unreadable_manifest_says_which_and_what_to_do(content: str, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    commit(lake, b"rows")
    manifest = lake.folder("shop", DAY) / "day.json"
    manifest.write_text(content)
    with pytest.raises(LakeError, match=r"day\.json: not a valid manifest.*`rm .*day\.json && equipoise run"):
        lake.partition("shop", DAY)


KILLED_AT_NTH_CALL = """
import os, signal, sys
from datetime import date
from pathlib import Path
from orchestration.lake import DayManifest, Lake

root, nth = Path(sys.argv[1]), int(sys.argv[2])
calls = 0

def dies(event, arguments):
    global calls
    if event in ("os.rename", "os.remove", "os.mkdir", "open"):
        calls += 1
        if calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)

lake = Lake(root)
with lake.scratch() as scratch:
    rows, quarantine = scratch / "rows", scratch / "quarantine"
    rows.write_bytes(b"new rows")
    quarantine.write_bytes(b"new quarantine")
    manifest = DayManifest(source_id="shop", log_date=date(2026, 10, 5), status="ok", rows_accepted=8)
    sys.addaudithook(dies)
    lake.commit(manifest, rows, quarantine)
"""


def test_a_commit_killed_at_any_step_leaves_the_old_or_the_new_partition(tmp_path: Path) -> None:
    """The process is killed before each file-system call of a commit in turn, until one run survives."""
    outcomes = []
    for nth in range(1, 100):
        lake = Lake(tmp_path / str(nth))
        commit(lake, b"old rows")
        run = subprocess.run([sys.executable, "-c", KILLED_AT_NTH_CALL, str(lake.root), str(nth)], check=False)
        partition = lake.partition("shop", DAY)
        assert partition is not None
        rows = (lake.folder("shop", DAY) / partition.rows_file).read_bytes()
        quarantine = (lake.folder("shop", DAY) / partition.quarantine_file).read_bytes()
        assert (rows, quarantine) in [(b"old rows", b"swor dlo"), (b"new rows", b"new quarantine")]
        outcomes.append(rows)
        lake.clean()
        assert len(list(lake.folder("shop", DAY).iterdir())) == 3
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL
    assert outcomes[0] == b"old rows"
    assert outcomes[-1] == b"new rows"
    assert outcomes == sorted(outcomes, reverse=True)  # old until one step, new from it on
    assert len(outcomes) > 5
