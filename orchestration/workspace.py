"""Where things are: the three folders a project has, and the paths inside its state folder."""

import os
from dataclasses import dataclass
from pathlib import Path

DBT_PROJECT_DIR = Path(__file__).resolve().parent.parent / "dbt_project"


@dataclass(frozen=True)
class Workspace:
    """The folders that one installed Equipoise is pointed at."""

    configs: Path
    data: Path
    state: Path
    target: str = "duckdb"
    """The engine that dbt's models run on: an output of `profiles.yml`."""

    @classmethod
    def from_environment(cls) -> "Workspace":
        """Read EQUIPOISE_CONFIGS, EQUIPOISE_DATA and EQUIPOISE_STATE; relative paths are made absolute."""
        return cls(
            configs=Path(os.environ.get("EQUIPOISE_CONFIGS", "configs")).resolve(),
            data=Path(os.environ.get("EQUIPOISE_DATA", "data")).resolve(),
            state=Path(os.environ.get("EQUIPOISE_STATE", "var")).resolve(),
            target=os.environ.get("EQUIPOISE_TARGET", "duckdb"),
        )

    @property
    def lake(self) -> Path:
        """Accepted and quarantined rows by source and log date."""
        return self.state / "lake"

    @property
    def generated(self) -> Path:
        """What `configs.render` writes and dbt reads."""
        return self.state / "generated"

    @property
    def warehouse(self) -> Path:
        """The DuckDB database of dbt's models, or of what is known of those on Spark; only pipeline steps open it."""
        return self.state / "warehouse.duckdb" if self.target == "duckdb" else self.spark / "warehouse.duckdb"

    @property
    def spark(self) -> Path:
        """What belongs to the models on Spark; without a cluster their tables and metastore too."""
        return self.state / "spark"

    @property
    def dbt_target(self) -> Path:
        """Dbt's target folder: partial parse, manifest, run results."""
        return self.state / "dbt" if self.target == "duckdb" else self.spark / "dbt"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance: runs, event logs, ticks."""
        return self.state / "dagster"

    @property
    def pinned_configs(self) -> Path:
        """Every configuration that produced a number, by its hash."""
        return self.state / "configs"

    @property
    def run_configuration(self) -> Path:
        """The configuration that the last run read, in a folder named by the run."""
        return self.state / "run_configuration"

    @property
    def waiting(self) -> Path:
        """A locked file for each run that waits for the writer lock."""
        return self.state / "waiting"

    @property
    def superseded(self) -> Path:
        """Published rows whose configuration was replaced."""
        return self.state / "superseded"

    @property
    def lock(self) -> Path:
        """The file that a writer holds."""
        return self.state / "lock"

    @property
    def results(self) -> Path:
        """The published results: a link to the newest run's folder."""
        return self.state / "results"

    @property
    def spill(self) -> Path:
        """Where DuckDB puts what does not fit into memory."""
        return self.state / "spill"

    def environment(self) -> dict[str, str]:
        """The environment of dbt and Dagster for this workspace: paths, and every telemetry switch off."""
        return {
            "EQUIPOISE_CONFIGS": str(self.configs),
            "EQUIPOISE_DATA": str(self.data),
            "EQUIPOISE_STATE": str(self.state),
            "EQUIPOISE_TARGET": self.target,
            "EQUIPOISE_GENERATED": str(self.generated),
            "EQUIPOISE_WAREHOUSE": str(self.warehouse),
            "EQUIPOISE_SPILL": str(self.spill),
            "DAGSTER_HOME": str(self.dagster_home),
            "DBT_TARGET_PATH": str(self.dbt_target),
            "DBT_LOG_PATH": str(self.dbt_target / "logs"),
            "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
            "DO_NOT_TRACK": "1",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }

    def activate(self) -> None:
        """Set this process's environment to the workspace and write Dagster's instance settings if absent."""
        os.environ.update(self.environment())
        self.dagster_home.mkdir(parents=True, exist_ok=True)
        settings = self.dagster_home / "dagster.yaml"
        if not settings.exists():
            temporary = settings.with_name(f".dagster.yaml.{os.getpid()}")
            temporary.write_text(DAGSTER_YAML, encoding="utf-8")
            temporary.replace(settings)


DAGSTER_YAML = """\
telemetry:
  enabled: false
event_log_storage:
  module: orchestration.event_log
  class: PooledSqliteEventLogStorage
"""
