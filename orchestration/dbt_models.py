"""Running the dbt project: in this process, over one span of as-of dates at a time."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.load import load_config
from configs.render import render
from orchestration.workspace import DBT_PROJECT_DIR, Workspace

FAILED_STATUSES = frozenset({"error", "fail", "runtime error", "skipped"})
QUIETLY = ("--quiet", "--no-use-colors", "--no-version-check", "--log-level-file", "info")
OUT_OF_MEMORY = "Out of Memory Error"


@dataclass(frozen=True)
class NodeResult:
    """How one dbt model or test ended."""

    unique_id: str
    status: str
    message: str
    failures: int
    seconds: float

    @property
    def is_test(self) -> bool:
        """Whether the node is a data test."""
        return self.unique_id.startswith("test.")

    @property
    def model(self) -> str:
        """The name that selects the node."""
        return self.unique_id.split(".")[2]

    @property
    def passed(self) -> bool:
        """Whether the node did what it should; a warning has not."""
        return self.status in ("success", "pass")

    @property
    def is_failure(self) -> bool:
        """Whether the node holds up what depends on it; a warning does not."""
        return self.status in FAILED_STATUSES


class DbtError(RuntimeError):
    """A dbt model could not be built, or dbt could not start."""


class MemoryLimitError(DbtError):
    """Models did not fit into the memory limit: `models`; `built` is what was done before and beside them."""

    def __init__(self, message: str, models: Sequence[str], built: Sequence[NodeResult]) -> None:
        super().__init__(message)
        self.models, self.built = models, built


def invoke_dbt(arguments: Sequence[str]) -> list[NodeResult]:
    """Run one dbt command in this process and return its nodes' results, failed ones included.

    The environment must be the workspace's (`Workspace.activate`). Raises DbtError when dbt itself fails.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    paths = ["--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir", str(DBT_PROJECT_DIR)]
    try:
        outcome = dbtRunner().invoke([*arguments, *paths, *QUIETLY])
    finally:
        # dbt keeps the database open otherwise, and with it the lock on the file.
        DuckDBConnectionManager.close_all_connections()
    if outcome.exception is not None:
        raise DbtError(f"dbt {' '.join(arguments)}: {outcome.exception}") from outcome.exception
    results: Any = outcome.result
    return [
        NodeResult(
            unique_id=result.node.unique_id,
            status=str(result.status),
            message=str(result.message or ""),
            failures=int(result.failures or 0),
            seconds=float(result.execution_time),
        )
        for result in getattr(results, "results", [])
    ]


def build_models(only: Sequence[str] = (), without: Sequence[str] = ()) -> list[NodeResult]:
    """Build and test every model over the span in `inputs.build_plan`, or only these and what depends on them.

    `without`: models that are left out, with all tests that read one of them.

    Raises DbtError, naming each, when a model (not a test) fails; MemoryLimitError when memory alone was what lacked.
    """
    selected = ["--select", " ".join(f"{name}+" for name in only)] if only else []
    selected += ["--exclude", " ".join(without)] if without else []
    results = invoke_dbt(["build", "--exclude-resource-type", "unit_test", "--no-write-json", *selected])
    failed = [result for result in results if result.is_failure]
    broken = [result for result in failed if not result.is_test or OUT_OF_MEMORY in result.message]
    if not broken:
        return results
    culprits = [result for result in failed if result.status != "skipped"]  # a failed test has models skipped, too
    lines = "\n".join(f"  {result.unique_id}: {result.message}" for result in culprits)
    message = f"dbt could not build {len(broken)} of {len(results)} nodes:\n{lines}"
    if culprits and all(OUT_OF_MEMORY in result.message for result in culprits):
        built = [result for result in results if result.status != "skipped" and result not in culprits]
        raise MemoryLimitError(message, [result.model for result in culprits], built)
    raise DbtError(message)


def manifest_path(workspace: Workspace) -> Path:
    """The manifest that Dagster's definitions are made from, parsed anew only when the project changed.

    The catalog of metrics must have been rendered. Raises DbtError when the project does not parse.
    """
    kept = workspace.dbt_target / f"definitions-{project_digest()}.json"
    if not _is_json(kept):
        invoke_dbt(["parse"])
        manifest = workspace.dbt_target / "manifest.json"
        json.loads(manifest.read_text(encoding="utf-8"))
        for old in workspace.dbt_target.glob("definitions-*.json"):
            old.unlink()
        temporary = kept.with_suffix(".tmp")
        temporary.write_bytes(manifest.read_bytes())
        temporary.replace(kept)
    return kept


def project_digest() -> str:
    """What tells two versions of the dbt project apart, in 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(DBT_PROJECT_DIR.rglob("*")):
        if path.suffix in (".sql", ".yml", ".md") and path.is_file():
            digest.update(str(path.relative_to(DBT_PROJECT_DIR)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return True


def check_project(configs: Path) -> None:
    """Render a configuration into a temporary folder and parse the dbt project with it.

    Raises ConfigError for a broken configuration, DbtError when the project does not parse.
    """
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(configs, Path(folder) / "data", Path(folder) / "state")
        workspace.activate()
        render(load_config(configs), workspace.generated)
        invoke_dbt(["parse"])


if __name__ == "__main__":
    check_project(Workspace.from_environment().configs)
