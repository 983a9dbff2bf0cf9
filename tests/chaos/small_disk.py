"""A disk of its own size, which can be made larger or read-only while it is in use; gone with the process.

Run as `python -m tests.chaos.small_disk CONFIGS DATA STATE DAY DISK` in a mount namespace of its own (`NAMESPACE`).
It prints a line of JSON for each run: what was done to the disk, the exit status, standard error, and whether the
published tables are the ones from before.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.chaos.reader import snapshot_of_database

NAMESPACE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
MAIN = "from orchestration.cli import main; main()"


def can_mount(folder: Path) -> bool:
    """Whether this machine lets us have a disk of our own."""
    if shutil.which("unshare") is None:
        return False
    attempt = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    return subprocess.run(attempt, capture_output=True).returncode == 0


def main(configs: str, data: str, state: str, day: str, disk: Path) -> None:
    """Fill the disk up to several margins, make it read-only, and at last give it room."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(disk)], check=True)
    shutil.copytree(state, disk / "state", symlinks=True)
    before = snapshot_of_database(disk / "state" / "results.duckdb")
    folders = {"EQUIPOISE_CONFIGS": configs, "EQUIPOISE_DATA": data, "EQUIPOISE_STATE": str(disk / "state")}
    filler = disk / "filler"
    for change in ("0 KB free", "3000 KB free", "read-only", "room"):
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        filler.unlink(missing_ok=True)
        if change == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        elif change != "room":
            _fill(filler, int(change.split()[0]) * 1024)
        command = [sys.executable, "-c", MAIN, "run", "--date", day]
        run = subprocess.run(command, env=os.environ | folders, capture_output=True, text=True)
        same = snapshot_of_database(disk / "state" / "results.duckdb") == before
        told = {"change": change, "status": run.returncode, "said": run.stderr + run.stdout, "same": same}
        print(json.dumps(told), flush=True)


def _fill(path: Path, free: int) -> None:
    usage = shutil.disk_usage(path.parent)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(usage.free - free, 1))


if __name__ == "__main__":
    main(*sys.argv[1:5], Path(sys.argv[5]))
