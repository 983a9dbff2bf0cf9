"""Faults of runs: of the configuration that all experiments share, of the state folder, and of extensions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from analysis.decisions import RULES
from analysis.decisions.evidence import Comparison
from analysis.decisions.risk_aware import RISK_AWARE
from analysis.health import CHECKS
from analysis.health.inputs import HealthInputs
from analysis.statistics.registry import ESTIMATORS
from configs.schema import Experiment
from orchestration.schedules import JOB_NAME
from orchestration.workspace import Workspace
from tests.fault_injection.damages import cut_short
from tests.fault_injection.experiment_faults import replaced

VICTIM = "clean_0"
"""The experiment that faulty extensions meet; the others are never told of."""


def _nothing(workspace: Workspace) -> None:
    pass


@dataclass(frozen=True)
class RunFault:
    """What is done before a run of the last day, what is told of it, and what mends it before the next one.

    `extends` has a faulty extension in place while the run works. A run that `is_published` finishes with failures.
    `check` and `says` are regular expressions; `decision` is that of the victim in the run's results.
    """

    injects: str
    subject: str
    check: str
    severity: str
    says: str
    runbook: str
    breaks: Callable[[Workspace], None] = _nothing
    mends: Callable[[Workspace], None] = _nothing
    extends: Callable[[pytest.MonkeyPatch], None] = lambda patch: None
    is_published: bool = False
    decision: str = ""


def _edited(file: str, old: str, new: str) -> dict[str, Callable[[Workspace], None]]:
    return {
        "breaks": lambda workspace: replaced(file, old, new)(workspace.configs),
        "mends": lambda workspace: replaced(file, new, old)(workspace.configs),
    }


def _only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def _lake_rows(workspace: Workspace, source: str, log_date: str) -> Path:
    return _only(workspace.lake / source / f"log_date={log_date}", "rows-*.parquet")


def _data_gone(workspace: Workspace) -> None:
    workspace.data.rename(workspace.data.with_name("elsewhere"))


def _data_back(workspace: Workspace) -> None:
    workspace.data.with_name("elsewhere").rename(workspace.data)


def _rows_cut_short(workspace: Workspace) -> None:
    rows = _lake_rows(workspace, "orders", "2026-09-16")
    rows.with_suffix(".kept").write_bytes(rows.read_bytes())
    cut_short(rows)


def _rows_restored(workspace: Workspace) -> None:
    rows = _lake_rows(workspace, "orders", "2026-09-16")
    rows.with_suffix(".kept").rename(rows)


def _manifest_cut_short(workspace: Workspace) -> None:
    manifest = workspace.lake / "orders" / "log_date=2026-09-16" / "day.json"
    manifest.with_suffix(".kept").write_bytes(manifest.read_bytes())
    cut_short(manifest)


def _manifest_restored(workspace: Workspace) -> None:
    manifest = workspace.lake / "orders" / "log_date=2026-09-16" / "day.json"
    manifest.with_suffix(".kept").rename(manifest)


def _warehouse_damaged(workspace: Workspace) -> None:
    cut_short(workspace.warehouse)


def _warehouse_moved(workspace: Workspace) -> None:
    workspace.warehouse.unlink()


def _faulty_check(inputs: HealthInputs) -> list[dict[str, Any]]:
    if VICTIM in inputs.experiments:
        raise ZeroDivisionError("a check of one's own")
    return []


def _faulty_rule(row: Comparison, experiment: Experiment) -> bool:
    if experiment.id == VICTIM:
        raise KeyError("a rule of one's own")
    return RISK_AWARE.achieves(row, experiment)


def _faulty_estimator(*_: Any) -> None:
    raise FloatingPointError("an estimator of one's own")


RUN_FAULTS = {
    "project_yaml": RunFault(
        "an unknown key in `project.yaml`", JOB_NAME, "start", "critical", r"project\.yaml:\d+: unknown key",
        "failed_start",
        **_edited("project.yaml", "late_arrival_days:", "late_days:"),
    ),
    "sources_yaml": RunFault(
        "an unknown format in `sources.yaml`", JOB_NAME, "start", "critical", r"sources\.yaml:\d+", "failed_start",
        **_edited(
            "sources.yaml", "orders/{date}.parquet\n    format: parquet", "orders/{date}.parquet\n    format: parket"
        ),
    ),
    "data_gone": RunFault(
        "the data folder is not there", JOB_NAME, "ingest__.*", "critical", "data", "failed_step",
        breaks=_data_gone, mends=_data_back,
    ),
    "lake_rows_cut_short": RunFault(
        "half a Parquet file in the lake", JOB_NAME, ".*", "critical", r"equipoise run --date 2026-09-16",
        "failed_(step|start)",
        breaks=_rows_cut_short, mends=_rows_restored,
    ),
    "lake_manifest_cut_short": RunFault(
        "half a manifest in the lake", JOB_NAME, ".*", "critical", "not a valid manifest", "failed_(step|start)",
        breaks=_manifest_cut_short, mends=_manifest_restored,
    ),
    "warehouse_cut_short": RunFault(
        "half of the warehouse", JOB_NAME, ".*", "critical", "is damaged", "failed_(step|start)",
        breaks=_warehouse_damaged, mends=_warehouse_moved,
    ),
    "check_raises": RunFault(
        "a health check of one's own raises for one experiment", VICTIM, "computation", "error",
        "ZeroDivisionError: a check of one's own", "computation",
        extends=lambda patch: patch.setitem(CHECKS, "faulty", _faulty_check), is_published=True, decision="invalid",
    ),
    "rule_raises": RunFault(
        "a decision rule raises for one experiment", "results/decisions", "computation", "error",
        "1 experiments could not be computed whole", "computation",
        extends=lambda patch: patch.setitem(RULES, "risk_aware", replace(RISK_AWARE, achieves=_faulty_rule)),
        is_published=True, decision="invalid",
    ),
    "estimator_raises": RunFault(
        "an estimator raises", "results/scorecard", "computation", "error", "experiments could not be computed whole",
        "computation", extends=lambda patch: patch.setitem(ESTIMATORS, "delta_ratio", _faulty_estimator),
        is_published=True,
    ),
}  # fmt: skip
