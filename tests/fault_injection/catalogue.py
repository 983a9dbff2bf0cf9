"""The page of all faults, made of the tables that the tests run over."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.fault_injection.experiment_faults import EXPERIMENT_FAULTS, PAIRS
from tests.fault_injection.fault import Fault, Incident
from tests.fault_injection.log_faults import LOG_FAULTS, LOG_PAIRS
from tests.fault_injection.run_faults import RUN_FAULTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fault_injection.md"
MARK = "<!-- Below: `python -m tests.fault_injection`, from the tables in tests/fault_injection. -->"
_HEADER = "| fault | what is done | found by: day, severity | over | decision |\n|---|---|---|---|---|"
_RUN_HEADER = "| fault | what is done | told of | severity | results of the day |\n|---|---|---|---|---|"


def number_of_faults() -> int:
    """Single faults and pairs."""
    return len(EXPERIMENT_FAULTS) + len(PAIRS) + len(LOG_FAULTS) + len(LOG_PAIRS) + len(RUN_FAULTS)


def tables() -> str:
    """What follows the mark in the page."""
    sections = {
        "Experiments": _table(EXPERIMENT_FAULTS),
        "Logs": _table(LOG_FAULTS),
        "Two at once": _table(PAIRS | LOG_PAIRS),
        "Runs": "\n".join([_RUN_HEADER, *_run_rows()]),
    }
    return "\n".join(f"\n## {title}\n\n{text}" for title, text in sections.items()) + "\n"


def _table(faults: Mapping[str, Fault]) -> str:
    return "\n".join([_HEADER, *(_row(name, fault) for name, fault in faults.items())])


def _row(name: str, fault: Fault) -> str:
    found = [f"`{one.check}`{_segment(one)}: {one.day}, {one.severity}" for one in fault.incidents]
    over = dict.fromkeys(f"{one.gone}" if isinstance(one.gone, int) else "mended" for one in fault.incidents)
    cells = [f"`{name}`", fault.injects, "<br>".join(found), ", ".join(over), f"`{fault.decision}`"]
    return f"| {' | '.join(cells)} |"


def _segment(incident: Incident) -> str:
    return "" if incident.segment == "all" else f" [{incident.segment}]"


def _run_rows() -> Iterable[str]:
    for name, fault in RUN_FAULTS.items():
        published = "published with the reason" if fault.is_published else "none: the day before stays"
        about = f"`{fault.runbook.replace('failed_(step|start)', 'failed_step` or `failed_start')}`"
        yield f"| `{name}` | {fault.injects} | {about} | {fault.severity} | {published} |"
