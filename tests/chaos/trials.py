"""The chaos test: runs killed at random moments while somebody reads, then run again to the end.

`python -m tests.chaos.trials --trials 50` prints a line a trial and, at the end, how often each phase was hit.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from orchestration.publish import current_run
from orchestration.recovery import remove_leftovers
from orchestration.workspace import Workspace
from tests.chaos.phases import PHASES, phase_of, run_ids, run_statuses
from tests.chaos.processes import Reader, RunServer
from tests.chaos.reader import Snapshot, snapshot_of_database
from tests.chaos.scenarios import SCENARIOS, Scenario, World

AIMED_SHARE = 0.3
"""Of the kills are aimed at the short phases, where a time chosen at random seldom falls; the others fall anywhere."""

SECOND_KILL_SHARE = 0.3
"""Of the trials kill the run that was to repair too."""

_AIMS = {
    "ingest": ("lake/.scratch/*", 0.5),
    "dbt": ("dbt/run/**/*.sql", 3.0),
    "publication": ("runs/.unfinished-*", 0.4),
}
"""What shows that a phase has begun, and how many seconds it may last."""


class LostError(AssertionError):
    """A killed run cost something."""


@dataclass
class Trial:
    """What one trial did."""

    number: int
    scenario: str
    phases: list[str] = field(default_factory=list)
    polls: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.number:4} {self.scenario:22} killed while: {', then '.join(self.phases):48} "
            f"{self.polls:4} looks {self.seconds:5.1f} s"
        )


class Chaos:
    """The undisturbed runs, and trials against them."""

    def __init__(
        self, root: Path, server: RunServer, reader: Reader, seed: int, scenarios: Sequence[Scenario] = SCENARIOS
    ) -> None:
        self._scenarios = scenarios
        self._root, self._server, self._reader, self._seed = root, server, reader, seed
        self._world = World(root / "world")
        self._results: dict[str | None, Snapshot] = {}
        self._seconds: dict[str, float] = {}
        self._run_undisturbed()

    def trial(self, number: int) -> Trial:
        """Kill a run, run it again to the end, and compare. Raises LostError when that is not as if nothing was."""
        started = time.monotonic()
        chance = random.Random(f"{self._seed}/{number}")
        scenario = self._scenarios[number % len(self._scenarios)]
        trial = Trial(number, scenario.name)
        state = self._root / f"trial-{number}"
        workspace = self._world.begin(scenario, state)
        self._reader.watch(state)
        for _ in range(2 if chance.random() < SECOND_KILL_SHARE else 1):
            trial.phases.append(self._killed_run(workspace, scenario, chance))
        end = self._server.run(workspace, scenario)
        read = self._reader.stop()
        trial.polls = read["polls"]
        if end.status != 0:
            raise LostError(f"{trial}: the run that was to repair ended with {end.status}:\n{_log_of(workspace)}")
        self._seconds[scenario.name] = end.seconds  # the machine may be busier by now, or less busy
        self._compare(trial, scenario, workspace, read["errors"], read["seen"])
        shutil.rmtree(state)
        trial.seconds = time.monotonic() - started
        return trial

    def _run_undisturbed(self) -> None:
        """Twice the first run: the first one is slow, since it imports what the server has not."""
        for scenario in (self._scenarios[0], *self._scenarios):
            workspace = self._world.reference(scenario)
            shutil.rmtree(workspace.state, ignore_errors=True)
            self._world.begin(scenario, workspace.state)
            end = self._server.run(workspace, scenario)
            if end.status != 0:
                raise LostError(f"{scenario.name}, undisturbed: {_log_of(workspace)}")
            self._results[scenario.name] = snapshot_of_database(workspace.state / "results.duckdb")
            self._seconds[scenario.name] = end.seconds

    def _killed_run(self, workspace: Workspace, scenario: Scenario, chance: random.Random) -> str:
        runs, published = run_ids(workspace.state), current_run(workspace.state)
        if chance.random() < AIMED_SHARE:
            kill = _aimed(workspace.state, *_AIMS[chance.choice(sorted(_AIMS))], chance.random())
        else:
            moment = chance.random() * self._seconds[scenario.name]
            kill = moment.__le__
        end = self._server.run(workspace, scenario, kill)
        if end.status > 0:
            raise LostError(f"the run failed before it was killed:\n{_log_of(workspace)}")
        if end.status == 0:
            self._seconds[scenario.name] = end.seconds
        return phase_of(workspace.state, runs, published)

    def _compare(
        self, trial: Trial, scenario: Scenario, workspace: Workspace, errors: list[str], seen: list[Snapshot]
    ) -> None:
        state, expected = workspace.state, self._results[scenario.name]
        problems = [f"the reader met an error: {error}" for error in errors]
        allowed = [expected] + ([self._results[scenario.base]] if scenario.base else [])
        problems += [
            f"the reader saw tables of no run: {_difference(_tuples(found), expected)}"
            for found in seen
            if _tuples(found) not in allowed
        ]
        if difference := _difference(snapshot_of_database(state / "results.duckdb"), expected):
            problems.append(f"the tables are not those of an undisturbed run: {difference}")
        problems += _ledger_problems(state)
        problems += [f"left over: {path}" for path in remove_leftovers(workspace, after_death=True)]
        problems += [
            f"Dagster says that run {run_id} is {status}"
            for run_id, status in run_statuses(state).items()
            if status not in ("SUCCESS", "FAILURE")
        ]
        if owner := (state / "lock").read_text():
            problems.append(f"the lock still names {owner}")
        if problems:
            raise LostError(f"{trial}\n  " + "\n  ".join(problems) + f"\n  the state is kept: {state}")


def _aimed(state: Path, sign: str, seconds: float, share: float) -> Callable[[float], bool]:
    """Kill within so many seconds of the sign's first appearance."""
    present = set(state.glob(sign))
    appeared: list[float] = []

    def kill(now: float) -> bool:
        if not appeared:
            if any(path not in present or path.stat().st_mtime > begun for path in state.glob(sign)):
                appeared.append(now)
            return False
        return now >= appeared[0] + share * seconds

    begun = time.time()
    return kill


def _log_of(workspace: Workspace) -> str:
    """The end of what the runs printed."""
    return Path(f"{workspace.state}.log").read_text()[-3000:]


def _difference(found: Snapshot, expected: Snapshot) -> str:
    names = sorted(found.keys() | expected.keys())
    return "; ".join(
        f"{name} {found.get(name)} instead of {expected.get(name)}"
        for name in names
        if found.get(name) != expected.get(name)
    )


def _tuples(snapshot: dict[str, list]) -> Snapshot:
    return {name: (rows, digest) for name, (rows, digest) in snapshot.items()}


def _ledger_problems(state: Path) -> list[str]:
    """Each source and log date is in the ledger once, and its rows add up to what the published quarantine holds."""
    with duckdb.connect(str((state / "results.duckdb").resolve()), read_only=True) as connection:
        doubled = connection.execute("from row_ledger select source_id, log_date group by all having count(*) > 1")
        problems = [f"doubled in row_ledger: {row}" for row in doubled.fetchall()]
        wrong = connection.execute(
            "select source_id, log_date from row_ledger left join "
            "(select source_id, log_date, count(*) as n from quarantine group by all) using (source_id, log_date) "
            "where rows_read <> rows_accepted + rows_duplicate + rows_quarantined or rows_quarantined <> coalesce(n, 0)"
        )
        return problems + [f"does not add up in row_ledger: {row}" for row in wrong.fetchall()]


def run_trials(
    root: Path, count: int, *, seed: int = 1, first: int = 0, scenarios: Sequence[Scenario] = SCENARIOS
) -> list[Trial]:
    """So many trials. Raises LostError at the first that cost something."""
    trials = []
    with RunServer() as server, Reader() as reader:
        chaos = Chaos(root, server, reader, seed, scenarios)
        for number in range(first, first + count):
            trials.append(chaos.trial(number))
            print(trials[-1], flush=True)
    return trials


def main() -> None:
    """Run the trials and print the histogram of phases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial, to repeat one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        trials = run_trials(root, options.trials, seed=options.seed, first=options.first)
    except LostError as error:
        sys.exit(str(error))
    shutil.rmtree(root)
    hits = Counter(phase for trial in trials for phase in trial.phases)
    print(f"\n{len(trials)} trials, {hits.total()} kills, {sum(trial.polls for trial in trials)} looks at the results:")
    print("nothing was lost, doubled, torn or missing")
    for phase in PHASES:
        print(f"  {phase:26}{hits[phase]:5}  {'#' * hits[phase]}")


if __name__ == "__main__":
    main()
