"""The demo's logs through the pipeline on DuckDB and on Spark, and all published tables compared: `make test-spark`."""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from configs.load import load_config
from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace
from tests.spark.comparison import as_lines, compare_states
from tests.spark.demo_part import part_of

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("duckdb", "spark")


def main() -> int:
    """Exit status: 0 when all is equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=20_000, help="users to simulate; the demo has 20,000")
    parser.add_argument("--days", type=int, default=45, help="log dates; the demo has 45")
    parser.add_argument("--daily", type=int, default=1, help="how many of them are run one by one after the others")
    parser.add_argument("--experiments", nargs="*", help="only these of the demo's experiments, and their metrics")
    parser.add_argument("--kills", type=int, default=0, help="how often each run on Spark is killed before it may end")
    parser.add_argument("--folder", type=Path, help="where to leave logs and states; else they are removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        return _compare(options, options.folder or Path(scratch))


def _compare(options: argparse.Namespace, folder: Path) -> int:
    configs = ROOT / "configs"
    if options.experiments:
        configs = part_of(configs, options.experiments, folder.resolve() / "configs")
    workspace = Workspace(configs, folder.resolve() / "data", folder.resolve() / "duckdb")
    simulate_project(workspace, units=options.units, days=options.days, seed=1)
    first = load_config(configs).project.history_start
    last = first + timedelta(days=options.days - 1)
    spans = [(first, last - timedelta(days=options.daily))]
    spans += [(last - timedelta(days=back),) * 2 for back in reversed(range(options.daily))]
    chance = random.Random(1)
    for target in TARGETS:
        for span in spans:
            command = _command(workspace, folder.resolve() / target, target, *span)
            for number in range(options.kills if target == "spark" else 0):
                _kill(command, chance.uniform(5, 150), leaves_java=number % 2 == 0)
            _run(command)
    found = compare_states(*(folder / target for target in TARGETS))
    print("\n".join(as_lines(found)), flush=True)
    return 0 if all(one.is_equal for one in found) else 1


def _command(workspace: Workspace, state: Path, target: str, first: date, last: date) -> list[str]:
    return [
        str(Path(sys.executable).with_name("equipoise")),  # PySpark takes a program without a file for a doctest
        *(f"--configs={workspace.configs}", f"--data={workspace.data}", f"--state={state}"),
        *("run", "--target", target, "--from", str(first), "--to", str(last)),
    ]


def _run(command: list[str]) -> None:
    started = time.perf_counter()
    result = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    print(f"{' '.join(command[-6:])} in {time.perf_counter() - started:.0f} s", flush=True)
    if "published" not in result.stdout:
        raise SystemExit(f"{' '.join(command)}\n{result.stdout}\n{result.stderr}")


def _kill(command: list[str], seconds: float, *, leaves_java: bool) -> None:
    """Kill the run after so long: its process alone, with its Java left to itself, or everything at once."""
    run = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(seconds)
    had_ended = run.poll() is not None
    if leaves_java:
        run.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    print(f"killed after {seconds:.0f} s{', when it had ended' if had_ended else ''}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
