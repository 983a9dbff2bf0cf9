"""JSON Schemas of the YAML files, for completion and checking in editors."""

from typing import Any

from pydantic import TypeAdapter

from configs.alert_schema import Alerts
from configs.schema import Experiment, Metric, Project, Sources
from configs.suite_schema import Suite

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FILES: dict[str, tuple[str, Any]] = {
    "project": ("project.yaml", Project),
    "sources": ("sources.yaml", Sources),
    "metrics": ("metrics/*.yaml", list[Metric]),
    "experiment": ("experiments/<id>.yaml", Experiment),
    "alerts": ("alerts.yaml", Alerts),
    "expectations": ("expectations/<source>.yaml", Suite),
}


def json_schema() -> dict[str, dict[str, Any]]:
    """One schema for each kind of file: `project`, `sources`, `metrics`, `experiment`, `alerts`, `expectations`."""
    return {
        kind: TypeAdapter(model).json_schema() | {"$schema": _DIALECT, "title": file}
        for kind, (file, model) in _FILES.items()
    }
