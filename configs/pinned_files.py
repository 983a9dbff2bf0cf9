"""Pinned configurations on disk: written by hash beside the results, and read back into a folder of YAML.

A file holds `pinned_config`, which its name digests, and under `descriptions` what the hash leaves out but the words
and the order of results follow: labels of metrics, the order of lists. The description last used stands last.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.catalog import definition_hash
from configs.load import load_config
from configs.pinning import config_hash, pinned_config
from configs.schema import Config, Experiment

DESCRIPTIONS = "descriptions"

# Where logs lay is not pinned, and they are not read again: something that the format's keys accept.
_PLACE_OF_FILES = {"path": "logs/{date}"}
_PLACE_OF_TABLES = {"path": "logs", "log_date": "log_date"}
_PLACES = {
    "postgres": {"table": "logs.rows", "connection": "LOGS_DATABASE_URL", "log_date": "log_date"},
    "iceberg": _PLACE_OF_TABLES,
    "delta": _PLACE_OF_TABLES,
}


class PinnedConfigError(Exception):
    """A pinned configuration is missing, damaged, or no longer what this release understands."""


@dataclass(frozen=True)
class PinnedConfig:
    """One experiment's configuration as it was: the hash, what it digests, and the descriptions used with it."""

    config_hash: str
    content: Mapping[str, Any]
    descriptions: tuple[Mapping[str, Any], ...] = ()

    @property
    def experiment_id(self) -> str:
        """The experiment that it configures."""
        return str(self.content["experiment"]["id"])


def pin(folder: Path, config: Config, experiment: Experiment) -> Path:
    """Store an experiment's configuration under its hash, or add to it a description that is new; in one step."""
    content, described = pinned_config(config, experiment), _description(config, experiment)
    path = folder / f"{definition_hash(content, 16)}.json"
    try:
        descriptions = read_pinned(folder, path.stem).descriptions
    except PinnedConfigError:
        descriptions = ()  # not there yet, or damaged: all that counts is at hand
    if not descriptions or descriptions[-1] != described:
        kept = [earlier for earlier in descriptions if earlier != described]
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        text = json.dumps(content | {DESCRIPTIONS: [*kept, described]}, indent=1, sort_keys=True)
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    return path


def read_pinned(folder: Path, hash_: str) -> PinnedConfig:
    """The configuration with this hash. Raises PinnedConfigError when it is not there or not what its name says."""
    path = folder / f"{hash_}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PinnedConfigError(
            f"{path}: the configuration {hash_} was never pinned, or its file was removed"
        ) from None
    except ValueError as error:
        raise PinnedConfigError(f"{path}: not readable as JSON ({error}); restore the file from a backup") from error
    descriptions = content.pop(DESCRIPTIONS, []) if isinstance(content, dict) else []
    if definition_hash(content, 16) != hash_:
        raise PinnedConfigError(f"{path}: the content is not what its name digests; restore the file from a backup")
    return PinnedConfig(hash_, content, tuple(descriptions))


def write_configuration(folder: Path, pinned: Iterable[PinnedConfig]) -> Config:
    """Write configurations that agree as one folder of YAML, as `configs.load` reads it, and load it.

    Names are placeholders and every experiment is `running`: what is pinned was analysed. Raises ConfigError when
    today's schema refuses it, PinnedConfigError when it reads it as something else.
    """
    pinned = list(pinned)
    files: dict[str, Any] = {
        "project.yaml": pinned[0].content["project"] | {"name": "pinned"},
        "sources.yaml": {kind: _merged_sources(kind, pinned) for kind in ("exposures", "events")},
        "metrics/pinned.yaml": list(_merged_metrics(pinned).values()),
    }
    for one in pinned:
        files[f"experiments/{one.experiment_id}.yaml"] = _ordered(one)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_as_yaml(data), encoding="utf-8")
    config = load_config(folder)
    for one in pinned:
        again = config_hash(config, config.experiments[one.experiment_id])
        if again != one.config_hash:
            raise PinnedConfigError(
                f"{one.experiment_id}: this release reads the pinned configuration {one.config_hash} as {again}; "
                "recompute it with the release that published it (`code_version` of its rows)"
            )
    return config


def agreeing(pinned: Iterable[PinnedConfig]) -> list[list[PinnedConfig]]:
    """Split configurations into the fewest groups, first come first served, that one folder of YAML can hold each."""
    groups: list[list[PinnedConfig]] = []
    for one in pinned:
        for group in groups:
            if all(_agree(one, other) for other in group):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _agree(left: PinnedConfig, right: PinnedConfig) -> bool:
    if left.content["project"] != right.content["project"] or left.experiment_id == right.experiment_id:
        return False
    ours, theirs = ({id_: _labelled(side, id_) for id_ in side.content["metrics"]} for side in (left, right))
    pairs = [(ours, theirs)]
    for kind in ("exposures", "events"):
        ours, theirs = ({source["id"]: source for source in side.content["sources"][kind]} for side in (left, right))
        pairs.append(({id_: _fixed(ours[id_]) for id_ in ours}, {id_: _fixed(theirs[id_]) for id_ in theirs}))
        pairs += [(ours[id_].get("measures", {}), theirs[id_].get("measures", {})) for id_ in ours.keys() & theirs]
    return all(a[key] == b[key] for a, b in pairs for key in a.keys() & b)


def _fixed(source: Mapping[str, Any]) -> dict[str, Any]:
    """A source without the parts of which each experiment pins only those that it reads."""
    return {key: value for key, value in source.items() if key not in ("measures", "properties")}


def _merged_sources(kind: str, pinned: Iterable[PinnedConfig]) -> list[dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for source in (source for one in pinned for source in one.content["sources"][kind]):
        known = merged.setdefault(source["id"], {**source, **_PLACES.get(source["format"], _PLACE_OF_FILES)})
        if kind == "events":
            known["measures"] = known.get("measures", {}) | source.get("measures", {})
            known["properties"] = sorted({*known.get("properties", []), *source.get("properties", [])})
    return list(merged.values())


def _merged_metrics(pinned: Iterable[PinnedConfig]) -> dict[str, dict[str, Any]]:
    return {id_: _labelled(one, id_) for one in pinned for id_ in one.content["metrics"]}


def _labelled(pinned: PinnedConfig, metric_id: str) -> dict[str, Any]:
    labels = pinned.descriptions[-1]["labels"] if pinned.descriptions else {}
    return pinned.content["metrics"][metric_id] | {"label": labels.get(metric_id, "")}


def _description(config: Config, experiment: Experiment) -> dict[str, Any]:
    metrics = experiment.metrics
    factors = {"factors": list(experiment.factors)} if experiment.factors else {}
    return factors | {
        "labels": {id_: config.metrics[id_].label for id_ in sorted(metrics.roles) if config.metrics[id_].label},
        "variants": [variant.id for variant in experiment.variants],
        "secondary": list(metrics.secondary),
        "guardrail": [guardrail.metric for guardrail in metrics.guardrail],
        "segments": list(experiment.segments),
    }


def _ordered(pinned: PinnedConfig) -> dict[str, Any]:
    """The experiment with its lists in the order last described."""
    experiment = dict(pinned.content["experiment"])
    if not pinned.descriptions:
        return experiment
    order, metrics = pinned.descriptions[-1], dict(experiment["metrics"])
    experiment["variants"] = sorted(experiment["variants"], key=lambda variant: order["variants"].index(variant["id"]))
    metrics["secondary"] = order["secondary"]
    metrics["guardrail"] = sorted(metrics["guardrail"], key=lambda entry: order["guardrail"].index(entry["metric"]))
    if "factors" in order:
        experiment["factors"] = {factor: experiment["factors"][factor] for factor in order["factors"]}
    return experiment | {"metrics": metrics, "segments": order["segments"]}


def _as_yaml(data: Any) -> str:
    """JSON that YAML reads alike: whatever is not plain ASCII as YAML's escapes."""
    text = json.dumps(data, ensure_ascii=False, indent=1)
    return re.sub(r"[^\n\x20-\x7e]", _escaped, text) + "\n"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"
