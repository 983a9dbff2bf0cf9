"""The whole examination: every line, in the order in which they are mended, none of which stops the others."""

from orchestration.doctor import inputs, installation, instance, state_folder
from orchestration.doctor.finding import Examination, Finding, Status, fail
from orchestration.workspace import Workspace

EXAMINATIONS: dict[str, Examination] = {
    "python": installation.python,
    "packages": installation.packages,
    "environment": installation.environment,
    "configuration": installation.configuration,
    "clock": installation.clock,
    "state folder": state_folder.state_folder,
    "lock": state_folder.lock,
    "disk": state_folder.disk,
    "duckdb": state_folder.duck_db,
    "last publication": state_folder.last_publication,
    "sizes": state_folder.sizes,
    "dagster settings": instance.settings,
    "dagster storage": instance.storage,
    "dagster rules": instance.run_rules,
    "dagster daemon": instance.daemon,
    "schedules and sensors": instance.schedules,
    "run history": instance.history,
    "sources": inputs.sources,
    "alerts": inputs.alerts,
}

FIRST = ("state folder", "dagster settings", "dagster storage")
"""Where one of these fails, what stands below it about Dagster is not looked at."""


def examine(workspace: Workspace) -> dict[str, Finding]:
    """A finding for each; what cannot be looked at has failed, and says why."""
    found: dict[str, Finding] = {}
    for name, look in EXAMINATIONS.items():
        in_the_way = [first for first in FIRST if first in found and found[first].status is Status.FAIL]
        if look.__module__ == instance.__name__ and in_the_way:
            found[name] = fail("not looked at", f"mend `{in_the_way[0]}` first")
            continue
        try:
            found[name] = look(workspace)
        except Exception as error:  # noqa: BLE001  whatever a broken installation raises is its finding
            found[name] = fail(_first_line(error), "see docs/runbook.md")
    return found


def _first_line(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
