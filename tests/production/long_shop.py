"""The small shop of two experiments with as many past log dates as asked for, the last of which was yesterday."""

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from orchestration.workspace import Workspace

CONFIGS = Path(__file__).parents[1] / "end_to_end" / "two_experiments"


def first_day(days: int) -> date:
    """The first of so many log dates, in the project's timezone."""
    return datetime.now(ZoneInfo("Europe/Berlin")).date() - timedelta(days=days)


def long_shop(folder: Path, days: int) -> Workspace:
    """The workspace in this folder, without logs; `checkout` runs throughout, `pricing` in the first half."""
    workspace = Workspace(folder / "configs", folder / "data", folder / "state")
    shutil.copytree(CONFIGS, workspace.configs, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    first = first_day(days)
    spans = {
        "checkout": ("2026-10-02", "2026-10-04", first + timedelta(days=1), first + timedelta(days=days + 30)),
        "pricing": ("2026-10-01", "2026-10-05", first, first + timedelta(days=max(days // 2, 6))),
    }
    for name, (start, end, new_start, new_end) in spans.items():
        path = workspace.configs / "experiments" / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace(f"start: {start}", f"start: {new_start}").replace(f"end: {end}", f"end: {new_end}")
        )
    project = workspace.configs / "project.yaml"
    project.write_text(project.read_text(encoding="utf-8").replace("2026-10-01", first.isoformat()))
    workspace.state.mkdir(parents=True)
    return workspace
