"""The soak test: a production instance that runs one simulated day after the other, and the memory of its processes.

`python -m tests.production.soak --minutes 60 --write` puts its table into docs/deployment.md; `make soak` does.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace
from tests.postgresql import postgres_server, skip_reason
from tests.production.instance import ROOT, Instance, running, settle
from tests.production.long_shop import first_day, long_shop

PROCESSES = ("code", "daemon", "admin", "web")
SAMPLE_SECONDS = 10.0
MOST_GROWTH = 0.20
"""Of the memory of a process, from what it has once warm (its second tenth of the time) to the last tenth."""

PAGES = """
{ runsOrError(limit: 25) { ... on Runs { results { runId status tags { key value } stepStats { stepKey } } } }
  assetNodes { assetKey { path } assetMaterializations(limit: 5) { timestamp partition }
    partitionStats { numMaterialized numFailed } } }
"""
"""About what an analyst's browser asks for: the list of runs, and the catalog of assets."""

STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
FINISHED = ("SUCCESS", "FAILURE", "CANCELED")
START, END = "<!-- soak: begin -->", "<!-- soak: end -->"


@dataclass
class Soak:
    """What was seen."""

    minutes: float
    statuses: dict[date, str] = field(default_factory=dict)
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    largest_run: float = 0.0
    folders: dict[int, dict[str, float]] = field(default_factory=dict)

    def growth(self, name: str) -> tuple[float, float]:
        """MB of a process once warm, and at the end."""
        span = self.memory[name][-1][0]
        warm = [size for at, size in self.memory[name] if 0.1 * span <= at <= 0.2 * span]
        last = [size for at, size in self.memory[name] if at >= 0.9 * span]
        return statistics.median(warm or [self.memory[name][0][1]]), statistics.median(last)

    @property
    def problems(self) -> list[str]:
        """What must not be."""
        failed = [f"{day}: {status}" for day, status in self.statuses.items() if status != "SUCCESS"]
        grown = []
        for name in self.memory:
            warm, last = self.growth(name)
            if last > warm * (1 + MOST_GROWTH):
                grown.append(f"{name} grew from {warm:.0f} MB to {last:.0f} MB")
        return failed + grown

    def __str__(self) -> str:
        days = f"{len(self.statuses)} simulated days in {self.minutes:.0f} minutes, a run each"
        lines = [f"{days}; run processes took {self.largest_run:.0f} MB at most.", ""]
        lines += ["| process | MB once warm | MB at the end | growth |", "|---|---:|---:|---:|"]
        for name in sorted(self.memory):
            warm, last = self.growth(name)
            lines.append(f"| {name} | {warm:.0f} | {last:.0f} | {last / warm - 1:+.1%} |")
        names = sorted({name for sizes in self.folders.values() for name in sizes})
        lines += ["", f"| in the state folder, MB | {' | '.join(f'day {day}' for day in self.folders)} |"]
        lines.append("|---|" + "---:|" * len(self.folders))
        for name in names:
            lines.append(f"| {name} | {' | '.join(f'{sizes.get(name, 0):.1f}' for sizes in self.folders.values())} |")
        return "\n".join(lines)


def soak(folder: Path, minutes: float, *, days: int = 240, users: int = 300) -> Soak:
    """Run day after day for some minutes, in this folder."""
    workspace = long_shop(folder, days)
    simulate_project(workspace, units=users, days=days, seed=1)
    first = first_day(days)
    seen, ended = Soak(minutes), threading.Event()
    with postgres_server() as server:
        settle(workspace, run_monitoring={"poll_interval_seconds": 10})
        with running(workspace, server.environment, *PROCESSES) as instance:
            sampler = threading.Thread(target=_sample, args=(instance, seen, ended))
            sampler.start()
            try:
                _run_days(instance, seen, [first + timedelta(days=day) for day in range(days)])
            finally:
                ended.set()
                sampler.join()
    return seen


def _run_days(instance: Instance, seen: Soak, days: list[date]) -> None:
    deadline = time.monotonic() + 60 * seen.minutes
    for number, day in enumerate(days, start=1):
        run_id = instance.launch("daily_analysis", dagster__partition=day.isoformat())
        while (status := instance.query(STATUS, read_only=True, id=run_id)["runOrError"]["status"]) not in FINISHED:
            instance.query(PAGES, read_only=True)
            time.sleep(2)
        seen.statuses[day] = status
        is_over = time.monotonic() > deadline
        if number == 2 or number % 20 == 0 or is_over:
            seen.folders[number] = folder_sizes(instance.workspace)
        print(f"{datetime.now():%H:%M:%S} {number:4} {day} {status}", flush=True)
        if is_over:
            return


def folder_sizes(workspace: Workspace) -> dict[str, float]:
    """MB of each file and folder in the state folder."""
    return {path.name: _size(path) / 1e6 for path in sorted(workspace.state.iterdir()) if not path.is_symlink()}


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())


def _sample(instance: Instance, seen: Soak, ended: threading.Event) -> None:
    started = time.monotonic()
    while not ended.wait(SAMPLE_SECONDS):
        for name, process in list(instance.processes.items()):
            long_lived = 0.0
            for command, size in _session(process.pid):
                if "multiprocessing" in command:  # a run's, which ends with it
                    seen.largest_run = max(seen.largest_run, size)
                else:
                    long_lived += size
            if long_lived:
                seen.memory[name].append((time.monotonic() - started, long_lived))


def _session(leader: int) -> list[tuple[str, float]]:
    """The command lines and resident MB of the processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.getsid(int(entry.name)) != leader:
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            pages = int((entry / "statm").read_text().split()[1])
        except (OSError, IndexError):  # it has just ended
            continue
        found.append((command, pages * os.sysconf("SC_PAGE_SIZE") / 1e6))
    return found


def main() -> int:
    """Print the table; 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--write", action="store_true", help="Put the table into docs/deployment.md.")
    options = parser.parse_args()
    if reason := skip_reason():
        print(reason)
        return 1
    with tempfile.TemporaryDirectory(prefix="equipoise-soak-") as folder:
        seen = soak(Path(folder), options.minutes)
    print(seen)
    if options.write:
        page = ROOT / "docs" / "deployment.md"
        before, rest = page.read_text(encoding="utf-8").split(START)
        page.write_text(f"{before}{START}\n{seen}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    for problem in seen.problems:
        print(problem)
    return 1 if seen.problems else 0


if __name__ == "__main__":
    sys.exit(main())
