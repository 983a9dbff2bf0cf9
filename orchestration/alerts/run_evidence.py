"""Incidents that a Dagster run shows: checks that failed, also where the run succeeded, and steps that failed."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import dagster as dg

from orchestration.alerts.advice import ledger_query
from orchestration.alerts.incidents import UNJUDGED_BY, Evidence, Incident
from orchestration.assets.results import HEALTH_KEY
from orchestration.runs import root_cause

_PAGE = 1_000
_UNPUBLISHED = "nothing was published; the results published before are as they were"


def run_evidence(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    source_owners: Mapping[str, str],
    explained: Callable[[str], str] = str,
) -> Evidence:
    """What the run's checks and steps show. Health checks and absent days are read from the results instead.

    `explained` adds to the error of a step what to do about it.
    """
    evaluations = [
        event.asset_check_evaluation_data
        for event in _events(instance, run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    others = [evaluation for evaluation in evaluations if evaluation.asset_key != HEALTH_KEY]
    failed = [
        _failed_check(evaluation, source_owners, is_published=run.is_success)
        for evaluation in others
        if not evaluation.passed and not _is_absent_day(evaluation)
    ]
    return Evidence(
        incidents=[*failed, *_failures(instance, run, explained)],
        checks=frozenset((evaluation.asset_key.to_user_string(), evaluation.check_name) for evaluation in others),
        jobs=frozenset({run.job_name} if run.is_success else ()),
    )


def unstarted_run(job: str, message: str) -> Incident:
    """A run that could not start: its configuration is broken, or the state folder cannot be used."""
    return Incident(
        kind="run",
        subject=job,
        check="start",
        severity="critical",
        message=message,
        gated=_UNPUBLISHED,
        runbook="failed_start",
    )


def _events(instance: dg.DagsterInstance, run_id: str, *kinds: dg.DagsterEventType) -> Iterator[dg.DagsterEvent]:
    cursor, has_more = None, True
    while has_more:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=set(kinds), limit=_PAGE)
        for record in page.records:
            if record.event_log_entry.dagster_event is not None:
                yield record.event_log_entry.dagster_event
        cursor, has_more = page.cursor, page.has_more


def _is_absent_day(evaluation: dg.AssetCheckEvaluation) -> bool:
    """Whether a source's day is missing or failed: that is an incident of the day, which the results show."""
    return evaluation.check_name == "day_is_complete" and evaluation.severity == dg.AssetCheckSeverity.ERROR


def _failed_check(
    evaluation: dg.AssetCheckEvaluation, source_owners: Mapping[str, str], *, is_published: bool
) -> Incident:
    path = evaluation.asset_key.path
    source_id = path[1] if path[0] == "ingest" else ""
    gated = "nothing" if is_published else f"blocking: {_UNPUBLISHED}"
    failing_rows = _failing_rows(evaluation)
    return Incident(
        kind="check",
        subject=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        severity="error" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "warning",
        message=evaluation.description or "failed",
        figure=failing_rows,
        threshold=0.0 if failing_rows is not None else None,
        gated=gated,
        query=ledger_query(source_id) if evaluation.check_name == "row_accounting" else "",
        runbook=_section(evaluation),
        source_id=source_id,
        owner=source_owners.get(source_id, ""),
    )


def _failing_rows(evaluation: dg.AssetCheckEvaluation) -> float | None:
    """How many rows a dbt test found."""
    found = evaluation.metadata.get("failing_rows")
    return float(found.value) if isinstance(found, dg.IntMetadataValue) and found.value is not None else None


def _section(evaluation: dg.AssetCheckEvaluation) -> str:
    """Checks of ours have a section each; every other one is a dbt test."""
    own = ("row_accounting", "day_is_complete", "calibrated", "destination_is_current", *UNJUDGED_BY)
    return evaluation.check_name if evaluation.check_name in own else "dbt_tests"


def _failures(instance: dg.DagsterInstance, run: dg.DagsterRun, explained: Callable[[str], str]) -> list[Incident]:
    """The steps that failed; the run itself when no step did, for one because its process died."""
    if run.is_success:
        return []
    kinds = dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE
    events = list(_events(instance, run.run_id, *kinds))
    steps: Sequence[tuple[str, str]] = [
        (event.step_key, explained(root_cause(event.step_failure_data.error)))
        for event in events
        if event.is_step_failure and event.step_key is not None
    ]
    whole = [("run", event.message or "failed") for event in events if not event.is_step_failure][:1]
    return [
        Incident(
            kind="run",
            subject=run.job_name,
            check=check,
            severity="critical",
            message=message,
            gated=_UNPUBLISHED,
            runbook="failed_step" if steps else "failed_run",
        )
        for check, message in steps or whole or [("run", "failed")]
    ]
