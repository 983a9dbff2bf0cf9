"""Who comes, how often, and when."""

import numpy as np
import pytest

from analysis.simulation.randomness import pick, unit_hash, visit_hash
from analysis.simulation.simulator import simulate


def test_attribute_shares_are_as_configured(config, make_scenario):
    levels = {"country": {"DE": {"share": 0.7}, "FR": {"share": 0.3}}}
    simulation = simulate(config, make_scenario(attributes=levels), units=20_000, days=1, seed=1)

    share = np.mean(simulation.world.population.attributes["country"] == 0)

    assert abs(share - 0.7) < 4 * np.sqrt(0.7 * 0.3 / 20_000)


def test_attribute_levels_change_behaviour_but_not_the_overall_rate(config, make_scenario):
    levels = {"country": {"DE": {"share": 0.5, "visits": 3}, "FR": {"share": 0.5, "visits": 1}}}
    population = {"visits_per_day": 0.5, "activity_shape": 5, "new_unit_share": 0}
    scenario = make_scenario(attributes=levels, population=population)
    world = simulate(config, scenario, units=20_000, days=7, seed=2).world

    country = world.population.attributes["country"][world.visits.unit]
    german, french = np.sum(country == 0), np.sum(country == 1)

    assert german / french == pytest.approx(3, rel=0.05)
    # One week averages the weekday factors out: 20,000 × 0.5 × 7 visits; CV of units' rates about 0.7.
    assert german + french == pytest.approx(70_000, rel=4 * 0.7 / np.sqrt(20_000) + 4 / np.sqrt(70_000))


def test_weekday_and_hour_patterns_show_in_the_visits(config, make_scenario):
    population = {
        "weekdays": [1, 1, 1, 1, 1, 2, 2],
        "hours": [0] * 8 + [1] * 12 + [0] * 3 + [4],
        "new_unit_share": 0,
    }
    world = simulate(config, make_scenario(population=population), units=20_000, days=14, seed=3).world

    by_day = np.diff(world.visits.offsets)
    weekend = [day for day in range(14) if world.calendar.date_of(day).weekday() >= 5]
    assert by_day[weekend].mean() / np.delete(by_day, weekend).mean() == pytest.approx(2, rel=0.05)
    hour = world.visits.instant // 3_600_000_000 % 24
    assert set(hour) == {*range(8, 20), 23}
    assert np.mean(hour == 23) == pytest.approx(4 / 16, abs=4 * np.sqrt(0.25 * 0.75 / len(hour)))


def test_units_differ_and_come_back(plain):
    visits = np.bincount(plain.world.visits.unit, minlength=5_000)

    # Gamma rates make counts far more variable than a Poisson of the same mean.
    assert visits.var() > 3 * visits.mean()
    assert np.mean(visits[visits > 0] > 1) > 0.5


def test_new_units_come_only_after_they_joined(plain):
    population, visits = plain.world.population, plain.world.visits
    day = np.repeat(np.arange(21), np.diff(visits.offsets))

    assert np.all(day >= population.joined[visits.unit])
    assert np.mean(population.joined > 0) == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 5_000))


@pytest.mark.parametrize(
    ("start", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)], ids=["spring forward", "fall back"]
)
def test_days_are_the_projects_local_days(make_config, make_scenario, start, hours):
    project = {"name": "shop", "history_start": start, "timezone": "Europe/Berlin"}
    world = simulate(make_config(project=project), make_scenario(), units=5_000, days=2, seed=4).world

    begins, ends = (world.calendar.instant(world.calendar.date_of(day)) for day in (0, 1))
    assert ends - begins == hours * 3_600_000_000
    first_day = world.visits.instant[world.visits.of_day(0)]
    assert begins <= first_day.min() < first_day.max() < ends


def test_bots_come_round_the_clock_and_only_browse(config, make_scenario, rows_of):
    bots = {"share": 0.01, "visits_per_day": 50}
    simulation = simulate(
        config, make_scenario(bots=bots, population={"new_unit_share": 0}), units=2_000, days=3, seed=5
    )
    population, visits = simulation.world.population, simulation.world.visits

    per_day = np.bincount(visits.unit, minlength=2_000)[population.is_bot] / 3
    assert per_day.mean() == pytest.approx(50, rel=0.1)
    by_bots = rows_of(simulation, "shop").query("user in @population.ids[@population.is_bot]")
    assert set(by_bots["name"]) == {"visit", "return"}  # an order carries an amount


@pytest.mark.parametrize("salt", ["price:1", "layout:1"])
def test_hashes_are_uniform_and_depend_on_their_salt(salt):
    ids = np.array([f"u{number}" for number in range(100_000)], dtype=object)

    uniforms = {
        "unit": (unit_hash(ids, salt), unit_hash(ids, "other")),
        "visit": (
            visit_hash(np.arange(100_000), np.arange(100_000) * 7, salt),
            visit_hash(np.arange(100_000), np.arange(100_000) * 7, "other"),
        ),
    }

    for values, other in uniforms.values():
        counts = np.histogram(values, bins=20, range=(0, 1))[0]
        assert np.sum((counts - 5_000) ** 2 / 5_000) < 50  # chi-squared, 19 degrees: p = 1e-4
        assert abs(np.corrcoef(values, other)[0, 1]) < 4 / np.sqrt(100_000)


def test_pick_never_chooses_a_category_without_a_share():
    chosen = pick(np.array([0.0, 0.4, 0.6, 0.0]), np.array([0.0, 0.39, 0.41, 0.999_999_999_999]))

    assert chosen.tolist() == [1, 1, 2, 2]
