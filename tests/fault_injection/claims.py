"""What the suite claims of every fault. Each claim is a function that raises with the fault's own words."""

import json
import re
from collections.abc import Callable

import pandas as pd

from tests.fault_injection.fault import LAST, ROUNDS, Round, day
from tests.fault_injection.ward import Ward


def assert_found_on_its_day_and_named(ward: Ward, name: str) -> None:
    """Health checks fail on exactly the as-of dates that they should, with severity, segment and figure."""
    failed = pd.concat([run.failed for run in ward.ran.values()])
    failed = failed[failed["experiment_id"] == name].sort_values("as_of_date")
    wanted = {(one.check, one.segment): one for one in ward.faults[name].incidents if one.kind == "health"}
    found = dict(list(failed.groupby(["check_name", "segment"])))
    assert found.keys() == wanted.keys(), failed[["as_of_date", "check_name", "message"]].to_string()
    for key, incident in wanted.items():
        rows = found[key]
        assert rows["as_of_date"].tolist() == [pd.Timestamp(day(number)) for number in incident.days], rows.to_string()
        assert set(rows["severity"]) == {incident.severity}, rows.to_string()
        assert re.search(incident.says, rows["message"].iloc[0]), rows["message"].iloc[0]


def assert_gated(ward: Ward, name: str) -> None:
    """An invalid or harmful experiment is never shipped, and its decision names the check; others go on."""
    fault, decisions = ward.faults[name], ward.faulty["decisions"]
    decisions = decisions[decisions["experiment_id"] == name].set_index("as_of_date")
    last = decisions.loc[pd.Timestamp(day(LAST))]
    assert last["recommendation"] == fault.decision, last["summary"]
    for incident in fault.incidents:
        if incident.gates == "incomplete":
            rows = ward.faulty["scorecard"]
            rows = rows[(rows["experiment_id"] == name) & (rows["as_of_date"] >= pd.Timestamp(day(incident.day)))]
            assert set(rows["status"]) == {"incomplete"}, rows[["as_of_date", "metric_id", "status"]].to_string()
        if incident.gates in ("invalid", "rollback"):
            gate = "rollback_monitor" if incident.gates == "rollback" else incident.check
            for number in range(incident.day, LAST + 1):
                decision = decisions.loc[pd.Timestamp(day(number))]
                assert decision["recommendation"] == incident.gates, decision["summary"]
                assert gate in [reason["rule"] for reason in json.loads(decision["reasons"])], decision["reasons"]


def assert_told_once(ward: Ward, name: str) -> None:
    """Its recipient is told of each incident once, on its day, and once that it is over; nobody else is."""
    fault = ward.faults[name]
    wanted: list[tuple[Round, str, str, str, str]] = []
    for one in fault.incidents:
        subject = one.subject or name
        wanted.append((one.day, "opened", subject, one.check, one.segment))
        wanted.append((one.gone, "resolved", subject, one.check, one.segment))
    found = [(round_, one.event, one.subject, one.check, one.segment) for round_, one in ward.told_of(name)]
    assert sorted(found, key=_in_order) == sorted(wanted, key=_in_order)


def _in_order(item: tuple[Round, str, str, str, str]) -> tuple[int, tuple[str, ...]]:
    return ROUNDS.index(item[0]), item[1:]


def assert_message_helps(ward: Ward, name: str) -> None:
    """What was told says how grave it is, since when, what was gated, and shows it in SQL that finds rows."""
    incidents = {(one.subject or name, one.check, one.segment): one for one in ward.faults[name].incidents}
    for round_, one in ward.told_of(name):
        if one.event != "opened":
            continue
        incident = incidents[one.subject, one.check, one.segment]
        assert one.severity == incident.severity, one.text
        assert re.search(incident.says, one.text, re.DOTALL), one.text
        assert _GATED[incident.gates] in one.line("gated"), one.text
        assert one.line("runbook").endswith(f"docs/runbook.md#{incident.check}"), one.text
        assert one.line("run"), one.text
        if incident.kind != "check":
            assert one.line("since") == day(incident.since or incident.day).isoformat(), one.text
            assert ward.ran[round_].rows_shown[one.line("see it")] > 0, one.text


_GATED = {
    "invalid": "is invalid; every other experiment goes on",
    "rollback": "cannot ship: its decision is rollback",
    "incomplete": "incomplete",
    "nothing": "nothing",
}


def assert_mended(ward: Ward, name: str) -> None:
    """With logs and configuration mended no check fails any more, and the decision is that of a clean experiment."""
    checks, decisions = ward.mended["health_checks"], ward.mended["decisions"]
    failed = checks[(checks["experiment_id"] == name) & ~checks["passed"].astype(bool)]
    assert failed.empty, failed[["as_of_date", "check_name", "message"]].to_string()
    of_last = decisions[(decisions["experiment_id"] == name) & (decisions["as_of_date"] == pd.Timestamp(day(LAST)))]
    assert of_last["recommendation"].tolist() == [ward.faults[name].after_mending], of_last["summary"].tolist()


def assert_nothing_else_was_told(ward: Ward) -> None:
    """No message but those of the faults: none to whoever gets what no route fits, none on the quiet days."""
    known = [told for name in ward.faults for told in ward.told_of(name)]
    others = [(round_, one.text) for round_, run in ward.ran.items() for one in run.told if (round_, one) not in known]
    assert others == [], others


Claim = Callable[[Ward, str], None]
OF_EVERY_FAULT: tuple[Claim, ...] = (
    assert_found_on_its_day_and_named,
    assert_gated,
    assert_told_once,
    assert_message_helps,
    assert_mended,
)
