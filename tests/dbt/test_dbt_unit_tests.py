"""dbt's unit tests of the models, each one a test here: production builds leave them out."""

from pathlib import Path

import pytest
import yaml

from configs.load import load_config
from configs.render import render
from orchestration.dbt_models import NodeResult, invoke_dbt
from orchestration.workspace import DBT_PROJECT_DIR, Workspace

pytestmark = pytest.mark.xdist_group("dbt")

EXAMPLE_CONFIGS = DBT_PROJECT_DIR.parent / "configs"
UNIT_TESTS = [
    f"{unit_test['model']}.{unit_test['name']}"
    for path in sorted(DBT_PROJECT_DIR.glob("models/*/unit_tests*.yml"))
    for unit_test in yaml.safe_load(path.read_text(encoding="utf-8"))["unit_tests"]
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NodeResult]:
    root: Path = tmp_path_factory.mktemp("unit_tests")
    workspace = Workspace(configs=EXAMPLE_CONFIGS, data=root / "data", state=root / "state")
    workspace.activate()
    render(load_config(workspace.configs), workspace.generated)
    nodes = invoke_dbt(["test", "--select", "test_type:unit"])
    return {node.unique_id.removeprefix("unit_test.equipoise."): node for node in nodes}


@pytest.mark.parametrize("name", UNIT_TESTS)
def test_dbt_unit_test(name: str, results: dict[str, NodeResult]) -> None:
    assert results[name].status == "pass", results[name].message


def test_every_model_with_logic_has_unit_tests() -> None:
    models = {path.stem for path in DBT_PROJECT_DIR.glob("models/*/*.sql") if not path.stem.startswith("stg_")}
    assert models == {name.split(".")[0] for name in UNIT_TESTS}
