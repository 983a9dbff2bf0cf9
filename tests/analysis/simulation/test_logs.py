"""What a day's log holds."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from analysis.simulation.simulator import ScenarioError, simulate
from configs.simulation_schema import Scenario


def test_the_same_seed_gives_the_same_frames_and_another_seed_others(config):
    first, again, other = (simulate(config, Scenario(), units=800, days=10, seed=seed) for seed in (1, 1, 2))

    for day, same in zip(first.days(), again.days(), strict=True):
        assert day.log_date == same.log_date
        for source_id, rows in day.logs.items():
            assert_frame_equal(rows, same.logs[source_id])
        assert_frame_equal(day.faults, same.faults)
    assert_frame_equal(first.truth, again.truth)
    assert not next(first.days()).logs["shop"].equals(next(other.days()).logs["shop"])
    assert not first.truth.equals(other.truth)


def test_days_can_be_asked_for_twice(config):
    simulation = simulate(config, Scenario(), units=300, days=5, seed=3)

    for day, again in zip(simulation.days(), simulation.days(), strict=True):
        assert_frame_equal(day.logs["shop"], again.logs["shop"])


def test_leaving_an_experiment_out_changes_no_event_of_units_without_effects(config, make_scenario, rows_of):
    both = simulate(config, make_scenario(), units=1_000, days=14, seed=4)
    one = simulate(config, make_scenario(), units=1_000, days=14, seed=4, experiments=["layout"])

    assert_frame_equal(rows_of(both, "shop"), rows_of(one, "shop"))
    assert set(rows_of(one, "web")["test"]) == {"layout"}


def test_logs_have_the_sources_columns_and_types_every_day(plain):
    for day in plain.days():
        web, shop, desk = (day.logs[source_id] for source_id in ("web", "shop", "desk"))
        texts = dict.fromkeys(["user", "test", "arm", "country"], "str")
        assert dict(web.dtypes.astype(str)) == texts | {"ts": "datetime64[us]"}
        texts = dict.fromkeys(["id", "user", "name", "channel"], "str")
        assert dict(shop.dtypes.astype(str)) == texts | {"ts": "datetime64[us]", "eur": "float64"}
        assert set(desk) == {"customer", "action", "opened_at"}
    assert day.log_date == date(2026, 3, 21)
    assert web.empty  # both experiments are over


def test_every_row_is_of_its_log_date_and_event_ids_are_unique(plain, rows_of):
    shop = rows_of(plain, "shop")

    assert (shop["ts"].dt.date == shop["log_date"]).all()
    assert shop["id"].is_unique
    assert shop.groupby("log_date")["ts"].apply(lambda times: times.is_monotonic_increasing).all()


def test_an_event_follows_its_visit_on_the_same_day(plain, rows_of):
    exposures = rows_of(plain, "web").query("test == 'price'")[["user", "ts", "log_date"]]
    orders = rows_of(plain, "shop").query("name == 'order'")

    first = exposures.groupby(["user", "log_date"])["ts"].min().rename("visited_at")
    joined = orders.join(first, on=["user", "log_date"], how="inner")

    assert len(joined) > 1_000
    assert (joined["ts"] > joined["visited_at"]).all()


def test_spend_is_heavy_tailed_and_in_whole_cents(plain, rows_of):
    amounts = rows_of(plain, "shop").query("name == 'order'")["eur"]

    assert np.array_equal(amounts, amounts.round(2))
    assert amounts.min() > 0
    assert np.mean(amounts) > 1.2 * np.median(amounts)
    assert rows_of(plain, "shop").query("name != 'order'")["eur"].isna().all()


def test_the_past_predicts_the_future(config, make_scenario, rows_of):
    scenario = make_scenario(population={"new_unit_share": 0, "visits_per_day": 0.5})
    shop = rows_of(simulate(config, scenario, units=5_000, days=21, seed=5), "shop").query("name == 'order'")

    everyone = [f"u{number:04d}" for number in range(1, 5_001)]
    before, after = (
        shop[which].groupby("user")["eur"].sum().reindex(everyone, fill_value=0)
        for which in (shop["ts"] < "2026-03-15", shop["ts"] >= "2026-03-15")
    )

    # CUPED with 14 days before and 7 after removes the square of the correlation.
    assert 0.15 < before.corr(after) ** 2 < 0.6


def test_an_event_after_another_happens_with_its_probability(config, make_scenario, rows_of):
    events = {"return": {"after": "order", "probability": 0.3, "heterogeneity": 0}}
    shop = rows_of(simulate(config, make_scenario(events=events), units=5_000, days=14, seed=6), "shop")

    count = shop["name"].value_counts()
    bound = 4 * np.sqrt(0.3 * 0.7 / count["order"])
    assert count["return"] / count["order"] == pytest.approx(0.3, abs=bound)
    buyers = set(shop.query("name == 'order'")["user"])
    assert set(shop.query("name == 'return'")["user"]) <= buyers


def test_property_shares_are_as_configured(config, make_scenario, rows_of):
    events = {"order": {"rate": 0.5, "properties": {"channel": {"app": 0.8, "web": 0.2}}}}
    shop = rows_of(simulate(config, make_scenario(events=events), units=3_000, days=14, seed=6), "shop")

    orders = shop.query("name == 'order'")["channel"]
    assert np.mean(orders == "app") == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / len(orders)))


def test_probability_means_at_most_one_event_a_visit(config, make_scenario, rows_of):
    events = {"visit": {"probability": 1, "heterogeneity": 0}}
    simulation = simulate(config, make_scenario(events=events), units=1_000, days=7, seed=7)

    visits = rows_of(simulation, "shop").query("name == 'visit'")
    assert len(visits) == len(simulation.world.visits.unit)


def test_unit_tables_hold_every_unit_from_the_day_it_joined(plain):
    customers = plain.units()["customers"]

    assert len(customers) == 5_000 and customers["user"].is_unique
    assert set(customers["tier"]) == {"a", "b", "c"}
    assert customers["since"].min() == pd.Timestamp("2026-03-01")
    assert customers["since"].max() == pd.Timestamp("2026-03-21")


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ({"experiments": {"prise": {}}}, r"experiments\.prise: .*did you mean 'price'"),
        ({"experiments": {"price": {"effects": {"newer": {}}}}}, r"effects\.newer: unknown variant"),
        (
            {"experiments": {"price": {"effects": {"new": {"ordr": {}}}}}},
            r"effects\.new\.ordr: .*did you mean 'order'",
        ),
        ({"events": {"chat": {"rate": 1}}}, "no metric uses event 'chat'"),
    ],
)
def test_a_scenario_that_does_not_fit_is_refused(config, make_scenario, scenario, message):
    with pytest.raises(ScenarioError, match=message):
        simulate(config, make_scenario(**scenario), units=10, days=1, seed=0)


def test_unknown_experiments_and_empty_sizes_are_refused(config):
    with pytest.raises(ScenarioError, match="no experiment 'prices'; choose from: layout, price"):
        simulate(config, Scenario(), units=10, days=1, seed=0, experiments=["prices"])
    with pytest.raises(ValueError, match="units and days must be at least 1"):
        simulate(config, Scenario(), units=0, days=1, seed=0)
