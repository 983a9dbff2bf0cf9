"""What a run began, and did not live to publish, the next run finishes, whatever that is asked for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from orchestration.assets.models import build_planned
from orchestration.assets.publish import publish_run
from orchestration.faults import StateError
from orchestration.inputs import prepare_run, read_inputs
from orchestration.planning import PlannedBuild
from orchestration.published_tables import AS_OF_TABLES, record_publication
from orchestration.warehouse import load_plan, open_warehouse, record_build
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, copy_of, environment_kept, run, tables
from tests.end_to_end.two_experiments.days import DAYS, LAST_DAY

pytestmark = [pytest.mark.xdist_group("reruns"), pytest.mark.long]


def test_a_changed_configuration_is_published_by_the_run_after_the_one_that_died(shop, tmp_path):
    """All its as-of dates lie before the day that both runs are asked for."""
    workspace = copy_of(shop, tmp_path, "configs", "state")
    metrics = workspace.configs / "metrics" / "shop.yaml"
    metrics.write_text(metrics.read_text().replace("upper_quantile: 0.99}", "upper_quantile: 0.9}"))
    undisturbed = copy_of(workspace, tmp_path / "undisturbed", "state")
    run(undisturbed, LAST_DAY, LAST_DAY)

    with environment_kept():
        workspace.activate()
        prepare_run(workspace, (LAST_DAY, LAST_DAY))
        build_planned(workspace)
    run(workspace, LAST_DAY, LAST_DAY)

    assert_same_results(workspace.state, undisturbed.state)
    with pytest.raises(AssertionError):
        assert_same_results(workspace.state, shop.state)
    for kept in (undisturbed, workspace):
        assert len(list(kept.superseded.glob("pricing/*/scorecard.parquet"))) == 1


def test_what_was_begun_is_built_again_though_the_configuration_is_the_old_one_by_then(shop, tmp_path):
    """Half of the models may be built: nothing tells how much of the warehouse is of which configuration."""
    workspace = copy_of(shop, tmp_path, "configs", "state")
    metrics = workspace.configs / "metrics" / "shop.yaml"
    old = metrics.read_text()
    with environment_kept():
        workspace.activate()
        assert prepare_run(workspace, (LAST_DAY, LAST_DAY)) == []
        metrics.write_text(old.replace("upper_quantile: 0.99}", "upper_quantile: 0.9}"))
        (begun,) = prepare_run(workspace, (LAST_DAY, LAST_DAY))
        metrics.write_text(old)
        assert prepare_run(workspace, (LAST_DAY, LAST_DAY)) == [begun]
    assert (begun.experiment_id, begun.from_date, begun.is_rebuild) == ("pricing", DAYS[0], True)


def test_what_was_begun_and_is_no_longer_configured_stays_as_it_was_published(shop, tmp_path):
    """Its models are of two configurations, half and half; the experiments beside it go on."""
    workspace = copy_of(shop, tmp_path, "configs", "data", "state")
    metrics = workspace.configs / "metrics" / "shop.yaml"
    experiment = workspace.configs / "experiments" / "pricing.yaml"
    with environment_kept():
        workspace.activate()
        edit(metrics, "upper_quantile: 0.99}", "upper_quantile: 0.9}")
        prepare_run(workspace, (LAST_DAY, LAST_DAY))
        build_planned(workspace)
        with open_warehouse(workspace.warehouse) as connection:
            connection.execute("insert into runs.begun_builds from runs.build")  # killed before it could say so
    kept = experiment.read_text()
    experiment.unlink()
    log = workspace.data / "orders" / f"{DAYS[1]}.csv"
    header, *orders = log.read_text().splitlines(keepends=True)
    log.write_text(header + "".join(orders[::2]))
    run(workspace, DAYS[1], LAST_DAY)

    before, after = tables(shop.state), tables(workspace.state)
    assert not before["metric_moments"].equals(after["metric_moments"])
    for name in AS_OF_TABLES:
        was, is_ = (found[name][found[name]["experiment_id"] == "pricing"] for found in (before, after))
        pd.testing.assert_frame_equal(was.reset_index(drop=True), is_.reset_index(drop=True), check_exact=True)

    experiment.write_text(kept)
    run(workspace, LAST_DAY, LAST_DAY)
    undisturbed = copy_of(replace(workspace, state=shop.state), tmp_path / "undisturbed", "state")
    run(undisturbed, DAYS[1], LAST_DAY)
    assert_same_results(workspace.state, undisturbed.state)


@pytest.fixture
def workspace(shop, tmp_path) -> Iterator[Workspace]:
    """The shop after its last day, for a test to prepare runs of."""
    with environment_kept():
        workspace = copy_of(shop, tmp_path, "configs", "state")
        workspace.activate()
        yield workspace


def edit(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_what_was_built_waits_for_its_experiment_to_be_published(workspace):
    """Its file is broken in the run that publishes next."""
    with open_warehouse(workspace.warehouse) as connection:
        built = PlannedBuild("pricing", DAYS[3], DAYS[4], DAYS[4], is_rebuild=False)
        load_plan(connection, [built], table="runs.unpublished_builds")
    pricing = workspace.configs / "experiments" / "pricing.yaml"
    edit(pricing, "id: pricing", "id: [pricing")
    assert prepare_run(workspace, (LAST_DAY, LAST_DAY)) == []
    with open_warehouse(workspace.warehouse) as connection:
        record_publication(connection, workspace.results.resolve())
    edit(pricing, "id: [pricing", "id: pricing")

    (plan,) = prepare_run(workspace, (LAST_DAY, LAST_DAY))

    assert (plan.experiment_id, plan.from_date, plan.to_date) == ("pricing", DAYS[3], DAYS[4])


def test_an_experiment_that_was_a_draft_for_a_run_is_built_from_its_start(workspace):
    """It missed what changed in the lake meanwhile."""
    pricing = workspace.configs / "experiments" / "pricing.yaml"
    edit(pricing, "id: pricing\n", "id: pricing\nstatus: draft\n")
    prepare_run(workspace, (LAST_DAY, LAST_DAY))
    inputs = read_inputs(workspace)
    with open_warehouse(workspace.warehouse) as connection:
        built = PlannedBuild("checkout", DAYS[5], DAYS[5], DAYS[5], is_rebuild=False)
        record_build(connection, [built], inputs.analysed_hashes, inputs.partition_hashes)
    edit(pricing, "status: draft\n", "")

    plans = {plan.experiment_id: plan for plan in prepare_run(workspace, (LAST_DAY, LAST_DAY))}

    assert (plans["pricing"].from_date, plans["pricing"].is_rebuild) == (DAYS[0], True)


def test_steps_that_meet_another_configuration_than_the_run_was_prepared_with_are_refused(workspace):
    metrics = workspace.configs / "metrics" / "shop.yaml"
    edit(metrics, "upper_quantile: 0.99}", "upper_quantile: 0.9}")
    (plan,) = prepare_run(workspace, (LAST_DAY, LAST_DAY))
    assert plan.experiment_id == "pricing"
    edit(metrics, "upper_quantile: 0.9}", "upper_quantile: 0.95}")

    with pytest.raises(StateError, match="the configuration of pricing is not the one"):
        read_inputs(workspace)


def test_a_run_whose_models_were_not_built_is_not_published(workspace):
    """The step alone, executed again from the web UI after the run died in dbt."""
    published = workspace.results.resolve()
    edit(workspace.configs / "metrics" / "shop.yaml", "upper_quantile: 0.99}", "upper_quantile: 0.9}")
    prepare_run(workspace, (LAST_DAY, LAST_DAY))

    with pytest.raises(StateError, match=f"the models of pricing {DAYS[0]} … .* were begun and not built"):
        publish_run(workspace, "by_itself")

    assert workspace.results.resolve() == published
