"""What a run began, and did not live to publish, the next run finishes, whatever that is asked for."""

import pytest

from orchestration.assets.models import build_planned
from orchestration.inputs import prepare_run
from tests.end_to_end.pipeline import assert_same_results, copy_of, environment_kept, run
from tests.end_to_end.two_experiments.days import DAYS, LAST_DAY

pytestmark = pytest.mark.xdist_group("reruns")


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
