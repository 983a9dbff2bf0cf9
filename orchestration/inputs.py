"""What a run works on: the configuration and the lake's manifests, read once a step; and what dbt is given of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import duckdb
import pandas as pd

from analysis.periods import analysis_end
from configs.load import load_config_tolerant
from configs.pinned_files import pin
from configs.render import config_hash, render
from configs.schema import Config, EventSource, ExposureSource, Project
from orchestration.calibration import restore_calibrations
from orchestration.engine import engine_of
from orchestration.faults import UNCHANGED, StateError
from orchestration.former_definitions import load_former_definitions
from orchestration.ingest import source_contract, source_fields
from orchestration.lake import DayManifest, Lake
from orchestration.planning import DAY, PlannedBuild, merged_plans, plan_builds, sources_of, still_due
from orchestration.published import published_through
from orchestration.warehouse import (
    LakeFile,
    built_experiments,
    built_partitions,
    drop_outdated_models,
    load_calendar,
    load_plan,
    load_rendered,
    load_request,
    load_slices,
    load_source_freshness,
    open_warehouse,
    planned_builds,
    planned_hashes,
    register_lake,
    requested_days,
)
from orchestration.workspace import Workspace


@dataclass(frozen=True)
class RunInputs:
    """The valid part of the configuration, the reasons for what is not, and every ingested day with its lake."""

    lake: Lake
    config: Config
    broken: dict[str, str]
    config_hashes: dict[str, str]
    days: dict[tuple[str, date], DayManifest]
    requested: tuple[date, date]

    @property
    def day_statuses(self) -> dict[tuple[str, date], str]:
        """Status of each (source, log date)."""
        return {key: manifest.status for key, manifest in self.days.items()}

    @property
    def partition_hashes(self) -> dict[tuple[str, date], str]:
        """Content of each (source, log date), or why there is none, for comparing with what was built from."""
        return {
            key: f"{manifest.status}:{manifest.content_hash or manifest.reason}" for key, manifest in self.days.items()
        }

    def source_days(self) -> pd.DataFrame:
        """`log_date, source_id, status, reason`, a row a day."""
        columns = ["log_date", "source_id", "status", "reason"]
        rows = [[getattr(manifest, name) for name in columns] for manifest in self.days.values()]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.assign(log_date=pd.to_datetime(frame["log_date"])).astype(dict.fromkeys(columns[1:], "str"))

    @property
    def analysed_hashes(self) -> dict[str, str]:
        """The configuration hashes of the experiments that are analysed."""
        return {id_: hash_ for id_, hash_ in self.config_hashes.items() if self.config.experiments[id_].is_analysed}

    @property
    def read_by_unit(self) -> set[str]:
        """Ids of the experiments whose latest date is summed unit by unit: with segments, or all for their overlaps."""
        is_every = self.config.project.overlaps is not None
        return {one.id for one in self.config.experiments.values() if one.segments or is_every}

    def lake_files(self, lake: Lake, dates: Collection[date]) -> list[LakeFile]:
        """The files with accepted rows of these log dates."""
        wanted = set(dates)
        return [
            LakeFile(source_id, lake.folder(source_id, log_date) / manifest.rows_file, frozenset(manifest.fields))
            for (source_id, log_date), manifest in sorted(self.days.items())
            if log_date in wanted and manifest.rows_file is not None
        ]

    def joined_rows(self, dates: Collection[date]) -> int:
        """About how many rows the events of these log dates make once joined to every experiment that a unit is in."""
        days = [manifest for (_, log_date), manifest in self.days.items() if log_date in set(dates)]
        exposure_ids = {source.id for source in self.config.sources.exposures}
        exposures = [manifest for manifest in days if manifest.source_id in exposure_ids and manifest.rows_accepted]
        units = sum(manifest.profile["columns"]["unit_id"]["distinct"] for manifest in exposures)
        rows = sum(manifest.rows_accepted for manifest in exposures)
        events = sum(manifest.rows_accepted for manifest in days if manifest.source_id not in exposure_ids)
        return rows + round(events * max(1.0, rows / max(1, units)))

    def days_without_field(self) -> dict[tuple[str, str], pd.DataFrame]:
        """`source_days` with days failed that lack a field, for each (event source, column) some stored days lack."""
        gaps = {}
        for source in self.config.sources.events:
            for field in source_fields(source):
                lacking = {
                    key: manifest.model_copy(update={"status": "failed", "reason": f"ingested without {field[2:]}"})
                    for key, manifest in self.days.items()
                    if key[0] == source.id and manifest.rows_file is not None and field not in manifest.fields
                }
                if lacking:
                    gaps[source.id, field] = replace(self, days=self.days | lacking).source_days()
        return gaps

    def sources_of(self, experiment_id: str) -> set[str]:
        """Ids of the sources an experiment reads."""
        return sources_of(self.config, self.config.experiments[experiment_id])


def read_inputs(workspace: Workspace, requested: tuple[date, date] | None = None) -> RunInputs:
    """Read the configuration, tolerating broken experiments, and the lake's manifests.

    Args:
        workspace: where they are.
        requested: the log dates asked for; None: those of the prepared run.

    Raises StateError when the run was prepared with another configuration of what it plans.

    """
    config, broken, config_hashes = _configuration(workspace.configs, _version_of(workspace.configs))
    lake = Lake(workspace.lake)
    sources: tuple[ExposureSource | EventSource, ...] = (*config.sources.exposures, *config.sources.events)
    manifests = [
        _as_defined(manifest, source, config.project)
        for source in sources
        for manifest in lake.manifests(source.id, config.project.history_start, date.max)
    ]
    if requested is None:
        with open_warehouse(workspace.warehouse) as connection:
            requested = requested_days(connection)
            _require_same_configuration(planned_hashes(connection), config_hashes)
    return RunInputs(
        lake=lake,
        config=config,
        broken=broken,
        config_hashes=config_hashes,
        days={(manifest.source_id, manifest.log_date): manifest for manifest in manifests},
        requested=requested,
    )


@lru_cache(maxsize=2)
def _configuration(configs: Path, _version: tuple[object, ...]) -> tuple[Config, dict[str, str], dict[str, str]]:
    """The valid part, the reasons for what is not, and each experiment's hash: every step of a run asks for them."""
    config, _, broken = load_config_tolerant(configs)
    return config, broken, {one.id: config_hash(config, one) for one in config.experiments.values()}


def _version_of(configs: Path) -> tuple[object, ...]:
    """What tells two states of the folder apart: any change of a file, of its mode too, has a time of its own."""
    found = ((path, path.stat()) for path in sorted(configs.rglob("*")) if path.exists())
    return tuple((str(path), status.st_ino, status.st_ctime_ns, status.st_size) for path, status in found)


def _require_same_configuration(planned: Mapping[str, str], today: Mapping[str, str]) -> None:
    """Steps of one run share its copy of the configuration; one that is executed again by itself may meet another."""
    changed = sorted(id_ for id_, hash_ in planned.items() if today.get(id_) != hash_)
    if changed:
        raise StateError(
            f"the configuration of {', '.join(changed)} is not the one that the run was prepared with: "
            f"steps of two configurations would mix. Run the whole job for these days again; {UNCHANGED}"
        )


def _as_defined(manifest: DayManifest, source: ExposureSource | EventSource, project: Project) -> DayManifest:
    """The manifest, or a failed day in its place when its rows mean something else by today's definition."""
    today = source_fields(source)
    changed = [
        f"measure {name[2:]} of {source.id}"
        for name, stored in manifest.fields.items()
        if today.get(name, stored) != stored
    ]
    if manifest.contract != source_contract(source):
        changed.append(f"the columns of {source.id}")
    if manifest.timezone not in ("", project.timezone):
        changed.append("the project's timezone")
    if manifest.rows_file is None or not changed:
        return manifest
    reason = f"ingested before {changed[0]} changed, and its log files cannot be read again"
    return manifest.model_copy(update={"status": "failed", "reason": reason, "rows_file": None, "content_hash": ""})


def prepare_run(workspace: Workspace, requested: tuple[date, date]) -> list[PlannedBuild]:
    """Render the configuration, pin it by hash, plan the run, and load all that into the warehouse.

    The plan has what an earlier run began to build or built, and did not live to publish; what was built whole is
    not built again.
    """
    inputs = read_inputs(workspace, requested)
    restore_calibrations(workspace)
    render(inputs.config, workspace.generated)
    for experiment in inputs.config.experiments.values():
        pin(workspace.pinned_configs, inputs.config, experiment)
    with open_warehouse(workspace.warehouse) as connection:
        drop_outdated_models(connection, engine_of(workspace).forget_models)
        begun = planned_builds(connection, "runs.begun_builds")
        due = still_due(inputs.config, begun)
        unpublished = still_due(inputs.config, planned_builds(connection, "runs.unpublished_builds"))
        builds = plan_builds(
            inputs.config,
            # The same request again, after a run that died: it goes on, and what it did is not asked for anew.
            (requested[1] + DAY, requested[1]) if _is_resumed(connection, requested, due, unpublished) else requested,
            config_hashes=inputs.config_hashes,
            built=built_experiments(connection),
            published_through=published_through(workspace.state),
            lake_hashes=inputs.partition_hashes,
            built_hashes=built_partitions(connection),
        )
        connection.execute("begin")  # all of it or nothing, and one wait for the disk
        load_rendered(connection, workspace.generated)
        load_request(connection, requested)
        builds = merged_plans(due, builds)
        plans = merged_plans(unpublished, builds)
        load_plan(connection, merged_plans(begun, builds), table="runs.begun_builds")
        load_plan(connection, builds, table="runs.build")
        load_plan(connection, plans, table="runs.plan")
        load_plan(connection, [])
        load_slices(connection, 1, 1)
        _load_calendar(connection, inputs.config, plans, requested)
        load_source_freshness(connection, _latest_days(inputs))
        load_former_definitions(connection, workspace, inputs.config)
        register_lake(connection, inputs.config, [])
        connection.execute("commit")
    return plans


def _is_resumed(
    connection: duckdb.DuckDBPyConnection,
    requested: tuple[date, date],
    begun: list[PlannedBuild],
    unpublished: list[PlannedBuild],
) -> bool:
    """Whether the run before was asked for the same days, and began something that it did not publish."""
    try:
        return bool(begun or unpublished) and requested_days(connection) == requested
    except LookupError:
        return False


def needed_log_dates(inputs: RunInputs, plans: list[PlannedBuild]) -> list[date]:
    """Log dates whose rows can matter to these as-of dates: late ones and the covariates' lookback before them too."""
    if not plans:
        return []
    lookbacks = [metric.covariate.lookback_days for metric in inputs.config.metrics.values() if metric.covariate]
    # An exposure is at most `late_arrival_days` older than its log date, its lookback ends the day before it, and a
    # log may hold the first hour of the next day.
    reach = inputs.config.project.late_arrival_days + max(lookbacks, default=0) + 2
    # A build from an experiment's start looks for units that were held out long before.
    experiments = [(plan, inputs.config.experiments[plan.experiment_id]) for plan in plans]
    held_out = [held.since for plan, one in experiments if plan.from_date == one.start for held in one.held_out]
    first = min([*(plan.from_date for plan in plans), *held_out]) - timedelta(days=reach)
    last = max(plan.to_date for plan in plans)
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _load_calendar(
    connection: duckdb.DuckDBPyConnection,
    config: Config,
    plans: list[PlannedBuild],
    requested: tuple[date, date],
) -> None:
    ends = [analysis_end(experiment, config.metrics) for experiment in config.experiments.values()]
    last = max([requested[1], *ends, *(plan.to_date for plan in plans)])
    load_calendar(connection, config.project.history_start, last, config.project.timezone)


def _latest_days(inputs: RunInputs) -> dict[str, datetime]:
    """The end of each source's latest ingested log date (midnight after it, taken as UTC)."""
    latest: dict[str, date] = {}
    for (source_id, log_date), manifest in inputs.days.items():
        if manifest.status in ("ok", "empty"):
            latest[source_id] = max(log_date, latest.get(source_id, log_date))
    return {
        source_id: datetime.combine(log_date + timedelta(days=1), datetime.min.time())
        for source_id, log_date in latest.items()
    }
