"""How a run ended, for machines: all well, published with failures, or nothing published."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import dagster as dg

STATUS_TAG = "equipoise/status"
"""On every Dagster run that held the writer lock, once it has ended: a `RunStatus`."""

FAILURES_TAG = "equipoise/failures"
"""What failed, by step or `asset check`, of a run that did not succeed; the run's events say how."""

_TAG_LENGTH = 500
EXPERIMENTS_SHOWN = 5


class RunStatus(StrEnum):
    """`finished_with_failures`: the results are published; what failed is in them as rows with a reason."""

    SUCCEEDED = "succeeded"
    FINISHED_WITH_FAILURES = "finished_with_failures"
    FAILED = "failed"


@dataclass(frozen=True)
class FailedCheck:
    """An asset check that did not pass; `experiments` are those that fail it, where it is about experiments."""

    asset: str
    check: str
    is_error: bool
    description: str
    experiments: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = [*self.experiments[:EXPERIMENTS_SHOWN], *(["…"] if len(self.experiments) > EXPERIMENTS_SHOWN else [])]
        return f"{self.asset} {self.check}" + (f" ({', '.join(shown)})" if shown else "")


def failed_checks(evaluations: Iterable[dg.AssetCheckEvaluation]) -> list[FailedCheck]:
    """The evaluations that did not pass."""
    return [
        FailedCheck(
            asset=evaluation.asset_key.to_user_string(),
            check=evaluation.check_name,
            is_error=evaluation.severity == dg.AssetCheckSeverity.ERROR,
            description=evaluation.description or "",
            experiments=tuple(dict.fromkeys(_failing_experiments(evaluation))),
        )
        for evaluation in evaluations
        if not evaluation.passed
    ]


def _failing_experiments(evaluation: dg.AssetCheckEvaluation) -> Iterator[str]:
    failing = evaluation.metadata.get("failing")
    if isinstance(failing, dg.TableMetadataValue):
        yield from (str(record.data["experiment_id"]) for record in failing.records if "experiment_id" in record.data)


def status_of(*, is_broken: bool, checks: Iterable[FailedCheck]) -> RunStatus:
    """The status of a run whose steps did or did not all end well, with the checks that failed."""
    if is_broken:
        return RunStatus.FAILED
    return RunStatus.FINISHED_WITH_FAILURES if any(check.is_error for check in checks) else RunStatus.SUCCEEDED


def tag_status(instance: dg.DagsterInstance, run_id: str) -> None:
    """Tag a run whose steps have ended with its status, and with what failed."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    events = [record.event_log_entry.dagster_event for record in _records(instance, run_id, kinds)]
    steps = [str(event.step_key) for event in events if event is not None and event.is_step_failure]
    evaluations = [
        event.asset_check_evaluation_data for event in events if event is not None and not event.is_step_failure
    ]
    checks = [check for check in failed_checks(evaluations) if check.is_error]
    tags = {STATUS_TAG: str(status_of(is_broken=bool(steps), checks=checks))}
    if found := "; ".join([*steps, *map(str, checks)]):
        tags[FAILURES_TAG] = found if len(found) <= _TAG_LENGTH else found[: _TAG_LENGTH - 1] + "…"
    instance.add_run_tags(run_id, tags)


def _records(instance: dg.DagsterInstance, run_id: str, kinds: set[dg.DagsterEventType]) -> Iterator[dg.EventLogRecord]:
    page = instance.get_records_for_run(run_id, of_type=kinds)
    yield from page.records
    while page.has_more:
        page = instance.get_records_for_run(run_id, cursor=page.cursor, of_type=kinds)
        yield from page.records
