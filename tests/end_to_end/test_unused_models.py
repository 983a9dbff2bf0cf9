"""Models that nothing asks for are left out of a run, which changes no result; what asks for one has it built."""

from collections.abc import Sequence

import pytest

from configs.load import load_config
from orchestration import dbt_models
from orchestration.dbt_models import NodeResult
from orchestration.unused_models import OF_INPUTS, OVERLAPS, SINGLE_EVENTS, STRATA, unused_models
from orchestration.warehouse import open_warehouse
from orchestration.workspace import DBT_PROJECT_DIR
from tests.end_to_end.pipeline import assert_same_results, copy_of, run
from tests.end_to_end.two_experiments.days import DAYS

pytestmark = pytest.mark.xdist_group("two_experiments")

BOOTSTRAPPED = {"fct_bucket_sums", "fct_cap_tails"}
UNUSED = {"fct_switchback_sums", "int_held_out_units", "fct_category_counts"} | BOOTSTRAPPED


def test_every_model_that_may_be_left_out_is_there() -> None:
    names = {name for models in (*OF_INPUTS.values(), OVERLAPS, STRATA, SINGLE_EVENTS) for name in models}
    paths = {f"{path.parent.name}.{path.stem}" for path in (DBT_PROJECT_DIR / "models").rglob("*.sql")}
    assert names <= paths


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What dbt is told, as it is told."""
    told, invoke = [], dbt_models.invoke_dbt

    def invoke_and_tell(arguments: Sequence[str]) -> list[NodeResult]:
        told.append(list(arguments))
        return invoke(arguments)

    monkeypatch.setattr(dbt_models, "invoke_dbt", invoke_and_tell)
    return told


def test_a_run_without_them_publishes_what_a_run_with_them_does(shop, tmp_path, commands) -> None:
    """Until a metric asks for more."""
    short = copy_of(shop, tmp_path / "short", "configs", "data", "state")
    orders = short.data / "orders" / f"{DAYS[4]}.csv"
    orders.write_text("".join(orders.read_text().splitlines(keepends=True)[:-3]))
    whole = copy_of(short, tmp_path / "whole", "state")
    with open_warehouse(whole.warehouse) as connection:
        connection.execute("drop table runs.whole_build")

    for workspace in (short, whole):
        run(workspace, DAYS[4], DAYS[4])
    assert_same_results(short.state, whole.state)
    assert _left_out(commands[0]) >= UNUSED
    assert not _left_out(commands[-1])

    metrics = short.configs / "metrics" / "shop.yaml"
    metrics.write_text(metrics.read_text().replace("0.99}", "0.99}\n  bootstrap: {replicates: 9999}"))
    run(short, DAYS[5], DAYS[5])
    assert not _left_out(commands[-1])
    with open_warehouse(short.warehouse) as connection:
        assert connection.execute("select count(*) > 0 from marts.fct_cap_tails").fetchone() == (True,)
        unused = set(unused_models(connection, short, load_config(short.configs)))
    assert unused & UNUSED == UNUSED - BOOTSTRAPPED


def _left_out(arguments: Sequence[str]) -> set[str]:
    return set(arguments[arguments.index("--exclude") + 1].split()) if "--exclude" in arguments else set()
