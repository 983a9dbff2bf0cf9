"""One asset per place that results are sent to, after they are published here."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import dagster as dg
import duckdb

from configs.load import load_static
from configs.schema import Project, Publish
from orchestration.assets.publish import PUBLISHED_KEY
from orchestration.destinations.parts import Sent
from orchestration.destinations.postgres_results import send_to_postgres
from orchestration.destinations.stored_results import send_to_object_store
from orchestration.partitions import SINGLE_RUN, log_dates
from orchestration.publish import current_run
from orchestration.remote.errors import RemoteError
from orchestration.resources import WAREHOUSE_POOL, run_workspace
from orchestration.workspace import Workspace

CHECK = "destination_is_current"
WAITS_SECONDS = (1.0, 5.0)
"""Before the second and the third try; a store or server that is down for longer gets everything from the next run."""

Send = Callable[[Path], Sent]


def destination_assets(project: Project) -> list[dg.AssetsDefinition]:
    """An asset for each destination of `publish` in `project.yaml`; none without it."""
    return [_asset(project, name) for name in Publish.model_fields if getattr(project.publish, name) is not None]


def sender(project: Project, name: str) -> Send | None:
    """What sends a run to a destination as the project has it now, if it still has it."""
    publish = project.publish
    if name == "object_store" and publish.object_store is not None:
        return partial(send_to_object_store, destination=publish.object_store, project=project.name)
    if name == "postgres" and publish.postgres is not None:
        return partial(send_to_postgres, destination=publish.postgres, project=project.name)
    return None


def send_current(workspace: Workspace, name: str) -> Sent | None:
    """Send the published results; None when there are none, or no such destination any more.

    Raises RemoteError after the last try. What is published here, and was sent before, stays as it is.
    """
    project, _ = load_static(workspace.configs)
    run, send = current_run(workspace.state), sender(project, name)
    if run is None or send is None:
        return None
    for wait in WAITS_SECONDS:
        try:
            return send(run)
        except RemoteError:
            time.sleep(wait)
    return send(run)


def _asset(project: Project, name: str) -> dg.AssetsDefinition:
    key = dg.AssetKey(["send", name])

    @dg.asset(
        key=key,
        deps=[PUBLISHED_KEY],
        group_name="publish",
        description=f"The published results in the {name.replace('_', ' ')} of project.yaml, as far as they changed.",
        partitions_def=log_dates(project),
        backfill_policy=SINGLE_RUN,
        required_resource_keys={"writer_lock"},
        pool=WAREHOUSE_POOL,
        check_specs=[
            dg.AssetCheckSpec(CHECK, asset=key, description="The destination has the results that are published here.")
        ],
    )
    def send(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        try:
            done = send_current(run_workspace(context), name)
        except (RemoteError, duckdb.Error, OSError) as error:  # what is published here is not to look unpublished
            yield dg.MaterializeResult(asset_key=key, metadata={"failed": dg.MetadataValue.text(str(error))})
            yield _result(key, f"{error}; the results here are published, and the next run sends all that is missing")
            return
        yield dg.MaterializeResult(asset_key=key, metadata=_metadata(done))
        yield _result(key, "")

    return send


def _metadata(done: Sent | None) -> dict[str, dg.MetadataValue]:
    if done is None:
        return {}
    counts = {"parts_sent": done.parts, "bytes_sent": done.bytes, "parts_removed": done.removed}
    return {name: dg.MetadataValue.int(count) for name, count in counts.items()}


def _result(key: dg.AssetKey, failure: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=not failure,
        severity=dg.AssetCheckSeverity.ERROR,
        description=failure or "the destination has the published results",
    )
