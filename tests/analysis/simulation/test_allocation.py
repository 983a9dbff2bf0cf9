"""Arms, first exposures, and the faults of assignment."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from analysis.simulation.allocation import NEVER, NOT_EXPOSED
from analysis.simulation.simulator import simulate

PRICE = {"start": "2026-03-08", "end": "2026-03-18", "metrics": {"primary": ["orders"]}}
HALVES = [{"id": "old", "weight": 0.5, "baseline": True}, {"id": "new", "weight": 0.5}]


def first_variants(exposures):
    return exposures.sort_values("ts", kind="stable").groupby(["test", "user"])["arm"].first()


def test_arms_get_their_shares(plain, rows_of):
    shares = first_variants(rows_of(plain, "web")).loc["layout"].value_counts()

    n = shares.sum()
    expected = {"plain": 0.5, "wide": 0.3, "tall": 0.2}
    chi_squared = sum((shares[arm] - n * share) ** 2 / (n * share) for arm, share in expected.items())
    assert chi_squared < 13.8  # 2 degrees, p = .001


def test_assignments_of_two_experiments_are_independent(plain):
    price, layout = plain.world.allocations
    both = (price.arm != NOT_EXPOSED) & (layout.arm != NOT_EXPOSED)

    correlation = np.corrcoef(price.arm[both], layout.arm[both] == 0)[0, 1]

    assert abs(correlation) < 4 / np.sqrt(both.sum())


def test_a_unit_keeps_its_arm_and_is_exposed_at_every_visit_of_the_experiment(plain, rows_of):
    exposures = rows_of(plain, "web").query("test == 'price'")

    assert exposures.groupby("user")["arm"].nunique().max() == 1
    assert exposures.groupby("user").size().max() > 1
    world = plain.world
    in_period = (world.visits.instant >= world.calendar.instant(date(2026, 3, 8))) & (
        world.visits.instant < world.calendar.instant(date(2026, 3, 19))
    )
    assert len(exposures) == in_period.sum()
    assert exposures["ts"].min().date() == date(2026, 3, 8)
    assert exposures["ts"].max().date() == date(2026, 3, 18)


def test_weights_of_the_epoch_of_the_first_exposure_decide(make_config, make_scenario, rows_of):
    epochs = [
        {"from": "2026-03-08", "weights": {"old": 0.9, "new": 0.1}},
        {"from": "2026-03-12", "weights": {"old": 0.5, "new": 0.5}},
    ]
    experiment = {"id": "price", **PRICE, "variants": HALVES, "allocation": epochs}
    config = make_config(experiments={"price": experiment})
    simulation = simulate(config, make_scenario(), units=20_000, days=18, seed=8)

    exposures = rows_of(simulation, "web").sort_values("ts").groupby("user").first()
    early = exposures["ts"] < "2026-03-12"
    for which, share in ((early, 0.1), (~early, 0.5)):
        arms = exposures.loc[which, "arm"]
        assert np.mean(arms == "new") == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(arms)))
    assert rows_of(simulation, "web").groupby("user")["arm"].nunique().max() == 1


def test_traffic_limits_who_takes_part(config, make_scenario, rows_of):
    scenario = make_scenario(experiments={"price": {"traffic": 0.2}})
    exposures = rows_of(simulate(config, scenario, units=10_000, days=21, seed=9), "web")

    users = exposures.groupby("test")["user"].nunique()
    assert users["price"] / users["layout"] == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / users["layout"]))


def test_a_lossy_variant_loses_units_among_the_attributes_named(config, make_scenario, rows_of):
    attributes = {"country": {"DE": {"share": 0.5}, "FR": {"share": 0.5}}}
    lost = {"variant": "new", "share": 0.4, "among": {"country": "FR"}}
    scenario = make_scenario(attributes=attributes, experiments={"price": {"lost": lost}})
    simulation = simulate(config, scenario, units=20_000, days=21, seed=10)

    exposures = rows_of(simulation, "web").query("test == 'price'").groupby("user").first()
    counts = exposures.groupby(["country", "arm"]).size()
    assert counts["FR", "new"] / counts["FR", "old"] == pytest.approx(0.6, abs=0.04)
    assert counts["DE", "new"] / counts["DE", "old"] == pytest.approx(1, abs=0.06)
    allocation = simulation.world.allocations[0]
    assert not set(simulation.world.population.ids[allocation.is_lost]) & set(exposures.index)
    dropped = sum(
        day.faults.query("fault == 'lost_exposure' and experiment_id == 'price'")["rows"].sum()
        for day in simulation.days()
    )
    visits = simulation.world.visits
    during = (visits.instant >= allocation.exposure_period[0]) & (visits.instant < allocation.exposure_period[1])
    assert dropped == np.sum(during & allocation.is_lost[visits.unit])


def test_several_losses_each_draw_their_own_units_from_their_day_on(config, make_scenario, rows_of):
    lost = [{"variant": "new", "share": 0.5}, {"variant": "old", "share": 0.5, "from": "2026-03-10"}]
    simulation = simulate(config, make_scenario(experiments={"price": {"lost": lost}}), units=20_000, days=21, seed=10)

    exposures = rows_of(simulation, "web").query("test == 'price'").sort_values("ts").groupby("user").first()
    is_early = exposures["ts"] < "2026-03-10"
    early, late = exposures[is_early]["arm"].value_counts(), exposures[~is_early]["arm"].value_counts()
    assert early["new"] / early["old"] == pytest.approx(0.5, abs=0.03)
    assert late["new"] / late["old"] == pytest.approx(1, abs=0.08)


def test_silent_units_are_exposed_and_lose_every_event_from_then_on(config, make_scenario, rows_of):
    lost = {"variant": "new", "share": 1, "rows": "events"}
    silenced = simulate(config, make_scenario(experiments={"price": {"lost": lost}}), units=5_000, days=21, seed=10)
    sound = simulate(config, make_scenario(), units=5_000, days=21, seed=10)

    pd.testing.assert_frame_equal(rows_of(silenced, "web"), rows_of(sound, "web"))
    first = rows_of(sound, "web").query("test == 'price' and arm == 'new'").groupby("user")["ts"].min()
    before, after = (rows_of(one, "shop").drop(columns="id") for one in (sound, silenced))
    is_lost = before["ts"] >= before["user"].map(first)
    pd.testing.assert_frame_equal(after, before[~is_lost].reset_index(drop=True))
    reported = sum(
        day.faults.query("fault == 'lost_event' and source_id == 'shop'")["rows"].sum() for day in silenced.days()
    )
    assert reported == is_lost.sum() > 0


def test_mixed_units_change_arms_between_visits(config, make_scenario, rows_of):
    scenario = make_scenario(experiments={"price": {"mixed_share": 0.1}})
    simulation = simulate(config, scenario, units=10_000, days=21, seed=11)

    exposures = rows_of(simulation, "web").query("test == 'price'")
    arms = exposures.groupby("user")["arm"].nunique()
    mixed = set(arms.index[arms > 1])
    marked = set(simulation.world.population.ids[simulation.world.allocations[0].is_mixed])
    assert mixed and mixed <= marked
    first = first_variants(exposures).loc["price"]
    elsewhere = exposures["arm"].to_numpy() != first.loc[exposures["user"]].to_numpy()
    reported = sum(day.faults.query("fault == 'mixed_exposure'")["rows"].sum() for day in simulation.days())
    assert elsewhere.sum() == reported
    assert rows_of(simulation, "web").query("test == 'layout'").groupby("user")["arm"].nunique().max() == 1


def test_an_arm_has_no_effect_before_the_first_exposure_nor_after_the_windows_closed(plain):
    allocation = plain.world.allocations[0]
    unit = np.flatnonzero(allocation.first_exposed_at < NEVER)[:1]
    first = allocation.first_exposed_at[unit]

    at = np.concatenate([first - 1, first, [allocation.treated_until - 1], [allocation.treated_until]])
    arms = allocation.arm_at(np.repeat(unit, 4), at)

    own = allocation.arm[unit[0]]
    assert arms.tolist() == [NOT_EXPOSED, own, own, NOT_EXPOSED]
    # The longest window is 7 days: units of the last day are treated until theirs has closed.
    assert allocation.treated_until == plain.world.calendar.instant(date(2026, 3, 26))


@pytest.mark.parametrize("status", ["draft", "in_review", "approved", "scheduled"])
def test_what_is_not_running_yet_is_not_simulated(make_config, make_scenario, rows_of, status):
    experiment = {"id": "price", **PRICE, "variants": HALVES, "status": status}
    config = make_config(experiments={"price": experiment})
    simulation = simulate(config, make_scenario(), units=500, days=14, seed=12)

    assert rows_of(simulation, "web").empty
    assert simulation.truth.empty
