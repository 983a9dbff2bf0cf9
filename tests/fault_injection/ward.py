"""Running a faulty project day by day as its operator would, and keeping what each run published and told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from tests.end_to_end.pipeline import Printed, command, tables
from tests.fault_injection.fault import ANYBODY, FIRST_FAULTY, LAST, MENDED, QUIET, ROUNDS, Fault, Round, day
from tests.fault_injection.messages import Told, told
from tests.fault_injection.project import FaultyProject, variable_of
from tests.orchestration.alerts.conftest import Webhook

_FAILED = """
select
    as_of_date, experiment_id, check_name, severity, message,
    case when segment_name = 'all' then 'all' else segment_name || ' ' || segment_value end as segment
from health_checks where as_of_date = $as_of and not passed and $wanted
"""
TABLES = ("health_checks", "decisions", "scorecard")


@dataclass(frozen=True)
class Ran:
    """One run: what the command printed, and what recipients were told.

    `rows_shown` is how many rows each alert's SQL found. `failed` are the health checks that failed as of its last
    day; empty of the mended run, of which the published tables are looked at whole.
    """

    printed: Printed
    told: list[Told]
    rows_shown: dict[str, int]
    failed: pd.DataFrame


@dataclass(frozen=True)
class Ward:
    """What a faulty project went through. `faulty` are the tables before anything was mended, `mended` after."""

    faults: Mapping[str, Fault]
    ran: dict[Round, Ran] = field(default_factory=dict)
    faulty: dict[str, pd.DataFrame] = field(default_factory=dict)
    mended: dict[str, pd.DataFrame] = field(default_factory=dict)

    def told_of(self, name: str) -> list[tuple[Round, Told]]:
        """What was told of a fault, in order, with the round: all that its own recipient heard, and others of it."""
        others = {(one.recipient, one.subject, one.check) for one in self.faults[name].incidents if one.recipient}
        return [
            (round_, one)
            for round_, run in self.ran.items()
            for one in run.told
            if one.recipient == name or (one.recipient, one.subject, one.check) in others
        ]


def run_ward(root: Path, faults: Mapping[str, Fault], seed: int) -> Ward:
    """The quiet days at once, each day after them, and all of those again once everything is mended."""
    project, ward, webhook = FaultyProject(root, faults, seed), Ward(faults), Webhook()
    project.write_logs(is_mended=False)
    with pytest.MonkeyPatch.context() as patch:
        for name in (*faults, ANYBODY):
            patch.setenv(variable_of(name), f"{webhook.url}/{name}")
        try:
            for round_ in ROUNDS:
                if round_ == MENDED:
                    ward.faulty.update(_published(project))
                    project.write_logs(is_mended=True)
                    project.mend_configs()
                else:
                    project.edit_configs(round_)
                ward.ran[round_] = _run(project, webhook, round_)
            ward.mended.update(_published(project))
        finally:
            webhook.close()
    return ward


def _run(project: FaultyProject, webhook: Webhook, round_: Round) -> Ran:
    heard = len(webhook.addressed)
    first, last = {QUIET: (1, QUIET), MENDED: (FIRST_FAULTY, LAST)}.get(round_, (round_, round_))
    printed = command(project.workspace, "run", f"--from={day(first)}", f"--to={day(last)}")
    if "published run" not in printed.out:
        raise RuntimeError(f"round {round_}: {printed.out}{printed.err}")
    found = told(webhook.addressed[heard:])
    queries = {one.line("see it") for one in found} - {""}
    with duckdb.connect(str((project.workspace.state / "results.duckdb").resolve()), read_only=True) as results:
        shown = {query: len(results.execute(query).fetchall()) for query in queries}
        failed = results.execute(_FAILED, {"as_of": day(last), "wanted": round_ != MENDED}).df()
    return Ran(printed, found, shown, failed)


def _published(project: FaultyProject) -> dict[str, pd.DataFrame]:
    found = tables(project.workspace.state)
    return {name: found[name] for name in TABLES}
