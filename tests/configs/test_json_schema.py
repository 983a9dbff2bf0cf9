"""The JSON Schemas say what the models say, as far as JSON Schema can."""

from pathlib import Path

import jsonschema
import pytest

from configs.json_schema import json_schema
from configs.yaml_document import read_document

EXAMPLES = Path(__file__).parents[2] / "configs"
VALIDATORS = {kind: jsonschema.Draft202012Validator(schema) for kind, schema in json_schema().items()}
KIND_OF_FOLDER = {"metrics": "metrics", "experiments": "experiment", "expectations": "expectations"}


def test_there_is_a_valid_schema_for_each_kind_of_file():
    assert list(VALIDATORS) == ["project", "sources", "metrics", "experiment", "alerts", "expectations"]
    for validator in VALIDATORS.values():
        validator.check_schema(validator.schema)


@pytest.mark.parametrize(
    "file",
    [
        "project.yaml",
        "sources.yaml",
        *sorted(
            path.relative_to(EXAMPLES).as_posix()
            for folder in KIND_OF_FOLDER
            for path in (EXAMPLES / folder).glob("*.yaml")
        ),
    ],
)
def test_the_examples_fit_their_schema(file):
    folder, _, _ = file.partition("/")
    kind = KIND_OF_FOLDER.get(folder, file.removesuffix(".yaml"))

    VALIDATORS[kind].validate(read_document(EXAMPLES, file).data)


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        ("project", {"name": "shop"}, "'history_start' is a required property"),
        ("project", {"name": "shop", "history_start": "2026-09-01", "owner": "a"}, "'owner' was unexpected"),
        ("metrics", {"id": "conversion"}, "is not of type 'array'"),
        ("metrics", [{"id": "conversion", "type": "share"}], "'share' is not one of"),
        ("experiment", {"id": "Free"}, "'Free' does not match"),
    ],
)
def test_what_does_not_fit_is_refused(kind, data, message):
    assert any(message in error.message for error in VALIDATORS[kind].iter_errors(data))
