"""One asset per log source: its files of a day, checked row by row, into the lake."""

import os
from collections.abc import Collection, Iterator, Mapping
from datetime import date

import dagster as dg

from configs.load import load_config_tolerant
from configs.schema import Config, EventSource, ExposureSource, Project, Sources
from configs.suite_load import load_suites, log_sources
from configs.suite_schema import Suite
from orchestration.assets.audit_tables import audit_tables
from orchestration.audit import DaySuite
from orchestration.ingest import IngestSession, SourceIngest, source_contract, source_fields, suite_columns
from orchestration.lake import DayManifest, Lake
from orchestration.partitions import SINGLE_RUN, days_between, log_dates, requested_range
from orchestration.progress import with_progress
from orchestration.provenance import code_version
from orchestration.request import definition_digest, take_up_request
from orchestration.resources import WAREHOUSE_POOL, run_workspace
from orchestration.workspace import Workspace


def ingest_assets(project: Project, sources: Sources) -> list[dg.AssetsDefinition]:
    """An asset for each exposure and event source."""
    return [_ingest_asset(project, source) for source in log_sources(sources)]


def ingest_key(source_id: str) -> dg.AssetKey:
    """The asset key of a source."""
    return dg.AssetKey(["ingest", source_id])


def _ingest_asset(project: Project, source: ExposureSource | EventSource) -> dg.AssetsDefinition:
    key = ingest_key(source.id)

    @dg.asset(
        key=key,
        group_name="ingest",
        kinds={"parquet"},
        description=f"Accepted rows of {source.place} ({source.format}), one Parquet partition a log date.",
        partitions_def=log_dates(project),
        backfill_policy=SINGLE_RUN,
        required_resource_keys={"writer_lock"},
        pool=WAREHOUSE_POOL,
        check_specs=[
            dg.AssetCheckSpec(
                "row_accounting",
                asset=key,
                blocking=True,
                description="Rows read = accepted + duplicate + quarantined, for every day.",
            ),
            dg.AssetCheckSpec(
                "day_is_complete",
                asset=key,
                description="Files arrived, could be read and passed their audit; else its metrics are incomplete.",
            ),
        ],
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        first, last = requested_range(context)
        manifests = ingest_range(run_workspace(context), source, first, last)
        yield dg.MaterializeResult(asset_key=key, metadata=_metadata(manifests))
        yield _row_accounting(key, manifests)
        yield _day_is_complete(key, manifests)

    return ingest


def ingest_range(
    workspace: Workspace, source: ExposureSource | EventSource, first: date, last: date
) -> list[DayManifest]:
    """Ingest the days first … last, and others that a change reaches; the source as the run's configuration has it.

    A row is compared with the `late_arrival_days` log dates before its own, so a correction of a day that is already
    followed by others re-reads the next ones until nothing changes any more. A day whose exposures could not be judged
    for want of a configuration is read again once there is one, and every day once the source's columns, measures or
    attributes, the timezone or `late_arrival_days` change, if its files are still there.
    """
    config, _, broken = load_config_tolerant(workspace.configs)
    project, source = config.project, _as_configured(source, config.sources)
    known_variants = _known_variants(config, broken)
    suite = _day_suite(workspace, config, source)
    ends = {experiment.id: experiment.end for experiment in config.experiments.values()}
    lake = Lake(workspace.lake)
    requested = set(days_between(first, last))
    ingested = lake.manifests(source.id, project.history_start, date.max)
    outdated = {manifest.log_date for manifest in ingested if _is_outdated(manifest, source, project, known_variants)}
    request = take_up_request(workspace.state, first, last)
    days = sorted(requested | {manifest.log_date for manifest in ingested})
    session = IngestSession(
        lake,
        project=project,
        data_root=workspace.data,
        known_variants=known_variants,
        memory_limit=os.environ.get("EQUIPOISE_MEMORY_LIMIT", "700MB"),
        request=f"{request.token}-{_definition(source, project, known_variants, ends, suite)}",
        suites={source.id: suite},
        ends=ends,
    )
    with session:
        ingest = SourceIngest(session, source, requested=requested, outdated=outdated)
        try:
            for log_date in with_progress(days, f"ingest {source.id}"):
                ingest.consider(log_date)
        finally:
            ingest.settle()  # what could be read is committed, also when a later day could not
    return ingest.manifests


def _as_configured(source: ExposureSource | EventSource, sources: Sources) -> ExposureSource | EventSource:
    """The source as it is now; as it was when the code location was loaded, if it has left the configuration."""
    return next((one for one in log_sources(sources) if one.id == source.id), source)


def _day_suite(workspace: Workspace, config: Config, source: ExposureSource | EventSource) -> DaySuite:
    """The source's suite, if it has one; what is wrong with it, if it is broken."""
    suites, broken = load_suites(workspace.configs, config.sources)
    problem = "; ".join(map(str, broken.get(source.id, [])))
    return DaySuite(suites.get(source.id, Suite()), suite_columns(source), problem)


def _definition(
    source: ExposureSource | EventSource,
    project: Project,
    known_variants: Mapping[str, list[str] | None],
    ends: Mapping[str, date],
    suite: DaySuite,
) -> str:
    """A digest of what decides how a source's files are read and judged."""
    experiments = [sorted(known_variants.items()), sorted(ends.items())] if isinstance(source, ExposureSource) else []
    held_to = (suite.suite.model_dump(), suite.problem)
    days = (project.timezone, project.late_arrival_days)
    return definition_digest(code_version(), *days, source.model_dump(), experiments, held_to)


def _is_outdated(
    manifest: DayManifest,
    source: ExposureSource | EventSource,
    project: Project,
    known_variants: Mapping[str, list[str] | None],
) -> bool:
    """Whether reading the day again would give other rows: what it was judged by is defined otherwise by now."""
    fields = source_fields(source)
    is_redefined = manifest.contract != source_contract(source) or any(
        manifest.fields.get(name) != definition for name, definition in fields.items()
    )
    is_of_other_days = (
        manifest.timezone not in ("", project.timezone)
        or manifest.late_arrival_days not in (None, project.late_arrival_days)
    )  # fmt: skip
    waiting_for = (*manifest.unjudged_experiments, *manifest.unknown_experiments)
    return (
        manifest.is_due
        or (is_redefined and manifest.refused_fields != fields)
        or is_of_other_days
        or any(known_variants.get(experiment_id) is not None for experiment_id in waiting_for)
        or any(
            not {*(known_variants.get(experiment_id) or ())} <= {*variants}
            for experiment_id, variants in manifest.refused_variants.items()
        )
    )


def _known_variants(config: Config, broken: Collection[str]) -> dict[str, list[str] | None]:
    """Each experiment's variants; None of a broken one, so that it costs neither its rows nor the others' day."""
    known: dict[str, list[str] | None] = {
        experiment.id: [variant.id for variant in experiment.variants] for experiment in config.experiments.values()
    }
    return known | dict.fromkeys(broken)


def _metadata(manifests: list[DayManifest]) -> dict[str, dg.MetadataValue]:
    counts = ("rows_read", "rows_accepted", "rows_duplicate", "rows_quarantined")
    table = dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "log_date": manifest.log_date.isoformat(),
                    "status": manifest.status,
                    **{name: getattr(manifest, name) for name in counts},
                    "reason": manifest.reason,
                }
            )
            for manifest in manifests[-100:]
        ]
    )
    totals = {name: dg.MetadataValue.int(sum(getattr(m, name) for m in manifests)) for name in counts}
    return {"dagster/row_count": totals["rows_accepted"], **totals, "days": table}


def _row_accounting(key: dg.AssetKey, manifests: list[DayManifest]) -> dg.AssetCheckResult:
    wrong = [
        manifest.log_date.isoformat()
        for manifest in manifests
        if manifest.rows_read != manifest.rows_accepted + manifest.rows_duplicate + manifest.rows_quarantined
    ]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="row_accounting",
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"rows do not add up on {', '.join(wrong)}" if wrong else f"{len(manifests)} days add up",
    )


def _day_is_complete(key: dg.AssetKey, manifests: list[DayManifest]) -> dg.AssetCheckResult:
    problems = [manifest for manifest in manifests if manifest.status in ("missing", "failed")]
    warnings = [
        f"{manifest.log_date}: {finding['expectation']} {finding['column']} observed {finding['observed']}"
        for manifest in manifests
        for finding in manifest.audit
        if not finding["success"]
    ]
    warnings += [
        f"{manifest.log_date}: {manifest.reason}"
        for manifest in manifests
        if manifest.is_due and manifest not in problems
    ]
    lines = [f"{manifest.log_date} {manifest.status}: {manifest.reason}" for manifest in problems]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="day_is_complete",
        passed=not problems and not warnings,
        severity=dg.AssetCheckSeverity.ERROR if problems else dg.AssetCheckSeverity.WARN,
        description="; ".join(lines or warnings) or f"{len(manifests)} days complete",
        metadata={
            "days": dg.MetadataValue.md("\n".join(f"- {line}" for line in [*lines, *warnings]) or "none"),
            **audit_tables(manifests),
        },
    )
