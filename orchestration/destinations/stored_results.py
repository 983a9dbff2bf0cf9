"""Results in an object store: files named by their content, and one small object that says which are current.

    <prefix>/current.json                                        replaced last, in one step
    <prefix>/runs/<run>.json                                     the same, of the last three runs
    <prefix>/files/<table>/<partition>/<digest>.parquet

A file never changes, so a reader of `current.json` sees one run whole, as long as three more have not followed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.schema import StoredResults
from orchestration.destinations.parts import Part, Sent, published_parts, sent
from orchestration.remote.object_store import ObjectStore, ObjectStoreError, split_url

RUNS_KEPT = 3


def send_to_object_store(run: Path, destination: StoredResults, project: str) -> Sent:
    """Store the parts that the prefix lacks, then say that they are current, then remove what no kept run has.

    Whatever stops this leaves the run before current. Raises ObjectStoreError; so too when the prefix holds the
    results of another project.
    """
    bucket, prefix = split_url(destination.url)
    store = ObjectStore(bucket)
    before = _read(store, f"{prefix}/current.json")
    if before and before.get("project") != project:
        raise ObjectStoreError(
            f"{destination.url} holds the results of project {before.get('project')!r}; give {project!r} its own"
        )
    parts = {_key(prefix, part): part for part in published_parts(run)}
    known = set(_keys(before, bucket))
    new = {key: part for key, part in parts.items() if key not in known}
    earlier = [one for one in (before.get("run"), *before.get("earlier", ())) if one and one != run.name]
    current = {
        "project": project,
        "run": run.name,
        "earlier": earlier[: RUNS_KEPT - 1],
        "tables": _listed(parts, bucket),
    }
    if before == current and not new:
        return sent((), 0)
    store.upload([(part.path, key) for key, part in new.items()])
    content = json.dumps(current, indent=1).encode()
    store.write(f"{prefix}/runs/{run.name}.json", content)
    store.write(f"{prefix}/current.json", content)
    return sent(new.values(), _prune(store, prefix, current))


def _prune(store: ObjectStore, prefix: str, current: Mapping[str, Any]) -> int:
    """Remove runs beyond those kept, and files that none of them lists, also those of a sending that was cut short."""
    names = [f"{prefix}/runs/{run}.json" for run in current["earlier"]]
    kept = {f"{prefix}/runs/{current['run']}.json", *names, *_keys(current, store.bucket)}
    for name in names:
        kept.update(_keys(_read(store, name), store.bucket))
    folders = (f"{prefix}/files/", f"{prefix}/runs/")
    outdated = [found.key for folder in folders for found in store.listing(folder) if found.key not in kept]
    store.delete(outdated)
    return len(outdated)


def _read(store: ObjectStore, key: str) -> dict[str, Any]:
    content = store.read(key)
    try:
        return json.loads(content) if content else {}
    except ValueError as error:
        raise ObjectStoreError(
            f"s3://{store.bucket}/{key} is no JSON: remove it, and everything is sent anew"
        ) from error


def _key(prefix: str, part: Part) -> str:
    return "/".join(one for one in (prefix, "files", part.table, part.partition, f"{part.digest}.parquet") if one)


def _listed(parts: Mapping[str, Part], bucket: str) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for key, part in parts.items():
        tables.setdefault(part.table, []).append(f"s3://{bucket}/{key}")
    return tables


def _keys(manifest: Mapping[str, Any], bucket: str) -> list[str]:
    return [url.removeprefix(f"s3://{bucket}/") for urls in manifest.get("tables", {}).values() for url in urls]
