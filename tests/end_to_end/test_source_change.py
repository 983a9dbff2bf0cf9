"""A source's definition changes after days were ingested with the old one."""

import shutil

import pytest

from tests.end_to_end.pipeline import copy_of, run, table, tables
from tests.end_to_end.two_experiments.days import FIRST_DAY, LAST_DAY

pytestmark = pytest.mark.long

NUMBERS = ["as_of_date", "experiment_id", "metric_id", "variant_id", "n_units", "mean", "variance", "total"]


def test_every_day_is_read_again_with_the_new_decimals(shop, tmp_path):
    workspace = copy_of(shop, tmp_path, "configs", "state")
    sources = workspace.configs / "sources.yaml"
    sources.write_text(sources.read_text().replace("decimals: 2", "decimals: 0"))

    run(workspace, LAST_DAY, LAST_DAY)

    fresh = copy_of(workspace, tmp_path / "fresh", "configs")
    fresh = type(fresh)(fresh.configs, fresh.data, tmp_path / "fresh" / "state")
    run(fresh, FIRST_DAY, LAST_DAY)
    ours, theirs = tables(workspace.state)["metric_moments"], tables(fresh.state)["metric_moments"]
    assert ours[NUMBERS].equals(theirs[NUMBERS])
    assert not ours[NUMBERS].equals(tables(shop.state)["metric_moments"][NUMBERS])


def test_days_whose_logs_are_gone_are_refused_rather_than_misread(shop, tmp_path):
    workspace = copy_of(shop, tmp_path, "configs", "data", "state")
    sources = workspace.configs / "sources.yaml"
    sources.write_text(sources.read_text().replace("decimals: 2", "decimals: 0"))
    shutil.move(workspace.data / "orders" / f"{FIRST_DAY}.csv", tmp_path)

    run(workspace, LAST_DAY, LAST_DAY)

    (gone,) = table(workspace.state, "source_days", source_id="orders", status="failed").to_dict("records")
    assert gone["log_date"].date() == FIRST_DAY
    assert "its log files cannot be read again" in gone["reason"]
    scorecard = table(workspace.state, "scorecard", segment_name="all")
    assert {"incomplete"} <= set(scorecard["status"])


def test_a_measure_that_old_logs_lack_leaves_the_other_metrics_as_they_were(shop, tmp_path):
    workspace = copy_of(shop, tmp_path, "configs", "data", "state")
    sources = workspace.configs / "sources.yaml"
    amount = "amount: {column: amount, unit: EUR, decimals: 2}"
    sources.write_text(sources.read_text().replace(amount, f"{amount}, quantity: {{column: quantity, decimals: 0}}"))
    log = workspace.data / "orders" / f"{LAST_DAY}.csv"
    header, *orders = log.read_text().splitlines()
    log.write_text("\n".join([f"{header},quantity", *(f"{order},1" for order in orders)]) + "\n")

    run(workspace, LAST_DAY, LAST_DAY)

    assert set(table(workspace.state, "source_days", source_id="orders")["status"]) == {"ok"}
    ours, theirs = (tables(state)["metric_moments"][NUMBERS] for state in (workspace.state, shop.state))
    assert ours.equals(theirs)


def test_exposures_of_an_experiment_not_yet_configured_wait_for_it(shop, tmp_path):
    workspace = copy_of(shop, tmp_path, "configs")
    workspace = type(workspace)(workspace.configs, workspace.data, tmp_path / "state")
    late = next(path for path in (workspace.configs / "experiments").iterdir() if path.stem == "checkout")
    shutil.move(late, tmp_path / late.name)
    run(workspace, FIRST_DAY, LAST_DAY)
    assert set(table(workspace.state, "source_days")["status"]) == {"ok"}
    assert "checkout" not in set(tables(workspace.state)["exposure_counts"]["experiment_id"])

    shutil.move(tmp_path / late.name, late)
    run(workspace, LAST_DAY, LAST_DAY)

    ours, theirs = (tables(state)["metric_moments"][NUMBERS] for state in (workspace.state, shop.state))
    assert ours.equals(theirs)
