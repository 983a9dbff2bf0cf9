"""Faults of whole runs, each on a copy of one clean state: the suite's long form."""

import re

import pandas as pd
import pytest

from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import command, copy_of, table
from tests.fault_injection.fault import ANYBODY, LAST, Fault, day
from tests.fault_injection.messages import Told, told
from tests.fault_injection.project import FaultyProject, variable_of
from tests.fault_injection.run_faults import RUN_FAULTS, VICTIM
from tests.orchestration.alerts.conftest import Webhook

pytestmark = pytest.mark.slow

PROJECT = {
    VICTIM: Fault(
        "nothing", (), units=600, secondary=("order_value",),
        metrics="- {id: order_value, type: ratio, window: {end_days: 1},\n"
        "   numerator: {source: orders, event: purchase, aggregate: sum, measure: amount},\n"
        "   denominator: {source: orders, event: purchase, aggregate: count}}\n",
    ),
    "clean_1": Fault("nothing", (), units=600),
}  # fmt: skip


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    project = FaultyProject(tmp_path_factory.mktemp("run_faults"), PROJECT, seed=7)
    project.write_logs(is_mended=True)
    with pytest.MonkeyPatch.context() as patch:
        _listen(patch, "json://127.0.0.1:1")  # nobody is there, for nobody is to be told
        assert command(project.workspace, "run", f"--from={day(1)}", f"--to={day(LAST - 1)}").status == 0
    return project.workspace


def _listen(patch: pytest.MonkeyPatch, url: str) -> None:
    for name in (*PROJECT, ANYBODY):
        patch.setenv(variable_of(name), f"{url}/{name}")


@pytest.mark.parametrize("name", RUN_FAULTS)
def test_it_is_told_once_publishes_nothing_wrong_and_is_over_when_mended(
    clean: Workspace, tmp_path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fault, webhook = RUN_FAULTS[name], Webhook()
    workspace = copy_of(clean, tmp_path, "configs", "data", "state")
    _listen(monkeypatch, webhook.url)

    def told_by_run() -> tuple[int, list[Told]]:
        heard = len(webhook.addressed)
        status = command(workspace, "run", f"--date={day(LAST)}").status
        return status, told(webhook.addressed[heard:])

    fault.breaks(workspace)
    with pytest.MonkeyPatch.context() as patch:
        fault.extends(patch)
        first, second = told_by_run(), told_by_run()
    published = set(table(workspace.state, "decisions", experiment_id="clean_1")["as_of_date"])
    decided = table(workspace.state, "decisions", experiment_id=VICTIM, as_of_date=day(LAST))["recommendation"]
    fault.mends(workspace)
    mended = told_by_run()
    webhook.close()

    assert first[0] == 1
    opened = {one.check for one in first[1]}
    assert opened and {one.event for one in first[1]} == {"opened"}
    for one in first[1]:
        assert re.fullmatch(fault.subject, one.subject) and re.fullmatch(fault.check, one.check), one.text
        assert one.severity == fault.severity, one.text
        assert re.search(fault.says, one.text), one.text
        assert re.search(f"#{fault.runbook}$", one.line("runbook")), one.text
    assert second == (1, []), "it is told once"
    assert mended[0] == 0
    assert sorted((one.event, one.check) for one in mended[1]) == sorted(("resolved", check) for check in opened)
    assert (pd.Timestamp(day(LAST)) in published) == fault.is_published
    if fault.decision:
        assert decided.tolist() == [fault.decision]
    last = table(workspace.state, "decisions", as_of_date=day(LAST)).set_index("experiment_id")["recommendation"]
    assert last.to_dict() == dict.fromkeys(PROJECT, "ship")
