"""Audits prepared days together and commits them one by one, as far as they pass."""

from collections.abc import Sequence

import duckdb

from orchestration.audit import Finding, audit_days, describe_failures
from orchestration.ingest.errors import IngestError, first_line
from orchestration.ingest.prepare import PreparedDay
from orchestration.ingest.templates import glob_escaped, render
from orchestration.lake import DayManifest

_EXAMPLE_CHARACTERS = 300
_REASONS_SHOWN = 5


def settle_days(prepared: Sequence[PreparedDay]) -> list[DayManifest]:
    """Commit the days in order and return their manifests, up to and including the first that fails its audit.

    A failed day's rows stay out of the lake, so that the days after it, which were compared with them, have to be
    prepared again. Raises IngestError for a fault of the machine; the days before it are committed.
    """
    audited = [day.evidence for day in prepared if day.evidence is not None]
    findings = iter(audit_days(audited))
    manifests = []
    for day in prepared:
        found = next(findings) if day.evidence is not None else []
        failures = describe_failures(found)
        try:
            manifests.append(_commit_failed(day, failures, found) if failures else _commit(day, found))
        except (duckdb.Error, OSError) as error:
            raise IngestError(
                f"{day.manifest.source_id}, {day.manifest.log_date}: {first_line(error)}; the partition is unchanged,"
                " run it again when this is mended"
            ) from error
        if failures:
            break
    return manifests


def _commit(day: PreparedDay, findings: list[Finding]) -> DayManifest:
    manifest = day.manifest
    if day.evidence is not None:
        manifest = manifest.model_copy(update={"audit": tuple(finding.as_dict() for finding in findings)})
    return day.request.session.lake.commit(manifest, day.rows, day.quarantine)


def _commit_failed(day: PreparedDay, failures: str, findings: list[Finding]) -> DayManifest:
    manifest = day.request.failed(
        reason=f"audit: {failures}{_worst_reason(day)}",
        files=day.manifest.files,
        profile=day.manifest.profile,
        audit=[finding.as_dict() for finding in findings],
    )
    day.discard()
    return day.request.session.lake.commit(manifest)


def _worst_reason(day: PreparedDay) -> str:
    """The commonest reasons, and one row to look at: a failed day has no quarantine to look into."""
    reasons = day.manifest.profile["reasons"]
    if not reasons:
        return ""
    worst = next(iter(reasons))
    query = render("first_refused", path=glob_escaped(str(day.quarantine)), reason=worst)
    file, row_number, row = day.request.session.connection.execute(query).fetchall()[0]
    counts = ", ".join(f"{reason} {count}" for reason, count in list(reasons.items())[:_REASONS_SHOWN])
    example = f"{file} row {row_number}: {row[:_EXAMPLE_CHARACTERS]}"
    return f"; rows refused: {counts}; the first {worst} is {example}"
