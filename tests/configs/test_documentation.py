"""The documentation names every key that a team may write."""

from pathlib import Path

import pytest

from configs import schema
from configs.schema import Entity

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
MODELS = [
    model
    for name in schema.__all__
    if isinstance(model := getattr(schema, name), type) and issubclass(model, Entity) and name != "Config"
]
NOT_BUILT_YET = {"units", "valid_from"}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_documented(model):
    page = PAGE.read_text(encoding="utf-8")
    keys = {field.alias or name for name, field in model.model_fields.items()} - NOT_BUILT_YET

    assert [key for key in sorted(keys) if key not in page] == []
