"""The truth against plain pandas estimates from the simulated logs, and against sums a reader can do."""

import numpy as np
import pandas as pd
import pytest

from analysis.simulation.potential_outcomes import Potential, any_event, expected_total, simulated_means
from analysis.simulation.simulator import simulate
from configs.schema import Cap

EFFECTS = {
    "price": {"effects": {"new": {"order": {"rate": 1.3, "measures": {"amount": 1.2}}, "visit": {"rate": 0.8}}}},
    "layout": {"effects": {"wide": {"order": {"rate": 0.7}}, "tall": {"opened": {"rate": 2}}}},
}
EVENTS = {
    "order": {"rate": 0.4, "measures": {"amount": {"mean": 30, "sigma": 0.8}}},
    "visit": {"probability": 0.9, "heterogeneity": 0},
    "return": {"after": "order", "probability": 0.3},
}
ALPHA_BOUND = 4.0  # |z| beyond it: p = 6e-5; some 45 correlated comparisons fail falsely once in 400 seeds


@pytest.fixture(scope="module")
def simulation(config, make_scenario):
    scenario = make_scenario(experiments=EFFECTS, events=EVENTS)
    return simulate(config, scenario, units=30_000, days=26, seed=17)


@pytest.fixture(scope="module")
def unit_values(simulation, rows_of):
    """Per-unit values of every metric's components, by the rules of the pipeline."""
    exposures, shop, desk = (rows_of(simulation, source_id) for source_id in ("web", "shop", "desk"))
    desk = desk.rename(columns={"customer": "user", "action": "name", "opened_at": "ts"})
    first = exposures.sort_values("ts").groupby(["test", "user"])[["ts", "arm"]].first().reset_index()
    first = first.rename(columns={"ts": "exposed_at"})

    def values(test, metric, component):
        units = first[first["test"] == test].set_index("user")
        rows = (desk if component.source == "desk" else shop).query("name == @component.event")
        for condition in component.where:
            rows = rows[rows[condition.property] == condition.value]
        rows = rows.join(units["exposed_at"], on="user", how="inner")
        since = rows["ts"] - rows["exposed_at"]
        if metric.window is None:
            end = pd.Timestamp(simulation.world.config.experiments[test].end) + pd.Timedelta(days=1)
            rows = rows[(since >= pd.Timedelta(0)) & (rows["ts"] < end)]
        else:
            window = metric.window
            since_days = since / pd.Timedelta(days=1)
            rows = rows[(since_days >= window.start_days) & (since_days < window.end_days)]
            end = pd.Timestamp("2026-03-27") - pd.Timedelta(days=window.end_days)
            units = units[units["exposed_at"] <= end]
        by_user = rows.groupby("user")
        value = by_user.size() if component.measure is None else by_user["eur"].agg(component.aggregate)
        value = value.reindex(units.index, fill_value=0).astype(float)
        if metric.type in ("proportion", "retention"):
            value = (value > 0).astype(float)
        if metric.cap is not None:
            value = value.clip(upper=np.quantile(value, float(metric.cap.upper_quantile), method="inverted_cdf"))
        return value, units["arm"]

    return values


def mean_and_se(parts, chosen):
    """Mean of a value, or of a ratio by the delta method, with its standard error."""
    if len(parts) == 1:
        value = parts[0][chosen]
        return value.mean(), value.std() / np.sqrt(len(value))
    numerator, denominator = parts[0][chosen], parts[1][chosen]
    ratio = numerator.mean() / denominator.mean()
    return ratio, (numerator - ratio * denominator).std() / denominator.mean() / np.sqrt(len(numerator))


def test_estimates_from_the_logs_agree_with_the_truth(config, simulation, unit_values):
    truth = simulation.truth.set_index(["experiment_id", "variant_id", "metric_id"])

    deviations = {}
    for (test, variant, metric_id), row in truth.iterrows():
        metric = config.metrics[metric_id]
        parts, arms = zip(*(unit_values(test, metric, part) for part in metric.components), strict=True)
        assert len(arms[0]) == row["n_units"]
        baseline = mean_and_se(parts, arms[0] == config.experiments[test].baseline.id)
        treatment = mean_and_se(parts, arms[0] == variant)
        for name, (mean, se), true_mean in (
            ("baseline", baseline, row["baseline_mean"]),
            ("treatment", treatment, row["variant_mean"]),
        ):
            deviations[test, variant, metric_id, name] = (mean - true_mean) / np.hypot(se, row["effect_se"])
        se = np.hypot(baseline[1], treatment[1])
        effect = treatment[0] - baseline[0]
        deviations[test, variant, metric_id, "effect"] = (effect - row["effect"]) / np.hypot(se, row["effect_se"])

    assert len(deviations) == 3 * (11 + 2 * 3)
    beyond = {key: z for key, z in deviations.items() if abs(z) > ALPHA_BOUND}
    assert not beyond
    # Neither too far nor, as if it had been fitted to the logs, too near.
    assert 0.3 < np.mean(np.square(list(deviations.values()))) < 2


def test_a_true_effect_is_told_from_none(simulation, unit_values, config):
    """What the comparison above could miss: the same estimates are far from a truth without effects."""
    metric = config.metrics["orders"]
    value, arm = unit_values("price", metric, metric.components[0])
    baseline, treatment = (mean_and_se([value], arm == name) for name in ("old", "new"))

    assert (treatment[0] - baseline[0]) / np.hypot(treatment[1], baseline[1]) > 2 * ALPHA_BOUND


def test_relative_effects_follow_from_the_multipliers(simulation):
    truth = simulation.truth.set_index(["experiment_id", "variant_id", "metric_id"])["effect_relative"]

    assert truth["price", "new", "orders"] == pytest.approx(0.3)
    assert truth["price", "new", "app_orders"] == pytest.approx(0.3)
    assert truth["price", "new", "revenue"] == pytest.approx(1.3 * 1.2 - 1)
    assert truth["price", "new", "order_value"] == pytest.approx(0.2)
    assert truth["price", "new", "tickets"] == 0
    assert truth["layout", "wide", "orders"] == pytest.approx(-0.3)
    assert truth["layout", "tall", "orders"] == 0
    assert -0.2 < truth["price", "new", "retention"] < 0  # many visit more than once in that day
    assert 0 < truth["price", "new", "conversion"] < 0.3
    assert 0 < truth["price", "new", "capped_revenue"] < 1.3 * 1.2 - 1


def test_methods_and_standard_errors(simulation):
    truth = simulation.truth.query("experiment_id == 'price'").set_index("metric_id")

    simulated = truth.index[truth["method"] == "monte carlo"]
    assert set(simulated) == {"capped_revenue", "largest_order"}
    assert (truth.loc[simulated, "effect_se"] > 0).all()
    assert (truth.loc[simulated, "effect_se"] < 0.02 * truth.loc[simulated, "effect"].abs()).all()
    assert (truth.drop(simulated)[["effect_se", "effect_relative_se"]] == 0).all(axis=None)
    assert (truth["reason"] == "").all()


def test_effects_of_overlapping_experiments_multiply(config, make_scenario):
    """A metric of one experiment is averaged over the arms that the other gave its units."""
    alone = simulate(config, make_scenario(events=EVENTS), units=5_000, days=26, seed=18).truth
    layout = {"effects": {variant: {"order": {"rate": 2}} for variant in ("plain", "wide", "tall")}}
    overlapping = make_scenario(events=EVENTS, experiments={"layout": layout})
    doubled = simulate(config, overlapping, units=5_000, days=26, seed=18).truth

    def baseline(truth, experiment_id):
        return truth.query("experiment_id == @experiment_id and metric_id == 'orders'")["baseline_mean"].iloc[0]

    assert baseline(doubled, "layout") == pytest.approx(2 * baseline(alone, "layout"))
    # Most units of `price` were exposed to `layout` first, some later, a few never.
    assert 1.5 < baseline(doubled, "price") / baseline(alone, "price") < 2


def test_mixed_units_and_bots_are_not_part_of_the_truth(config, make_scenario):
    scenario = make_scenario(experiments={"price": {"mixed_share": 0.2}}, bots={"share": 0.1})
    simulation = simulate(config, scenario, units=2_000, days=26, seed=19)

    allocation = simulation.world.allocations[0]
    row = simulation.truth.query("experiment_id == 'price' and metric_id == 'orders_so_far'").iloc[0]
    clean = (allocation.arm >= 0) & ~allocation.is_mixed & ~simulation.world.population.is_bot
    assert row["n_units"] == clean.sum() < (allocation.arm >= 0).sum()


def test_a_metric_without_a_truth_says_why(make_config, make_scenario):
    metrics = {
        "p95": {"id": "p95", "type": "quantile", "quantile": 0.95, "source": "shop", "event": "order"}
        | {"aggregate": "sum", "measure": "amount"},
        "kinds": {"id": "kinds", "type": "mean", "source": "shop", "event": "order"}
        | {"aggregate": "count_distinct", "measure": "amount"},
        "kind": {"id": "kind", "type": "categorical", "source": "shop", "event": "order"}
        | {"property": "channel", "categories": ["web"]},
        "late": {"id": "late", "type": "proportion", "source": "shop", "event": "order"} | {"window": {"end_days": 30}},
    }
    experiment = {
        "id": "price",
        "start": "2026-03-02",
        "end": "2026-03-18",
        "variants": [{"id": "old", "weight": 0.5, "baseline": True}, {"id": "new", "weight": 0.5}],
        "metrics": {"primary": list(metrics)},
    }
    config = make_config(metrics=metrics, experiments={"price": experiment})

    truth = simulate(config, make_scenario(), units=200, days=10, seed=20).truth.set_index("metric_id")

    assert set(truth["method"]) == {"unavailable"}
    assert truth[["baseline_mean", "effect", "effect_se", "effect_relative"]].isna().all(axis=None)
    assert truth.loc["p95", "reason"] == "no truth is computed for quantiles"
    assert truth.loc["kinds", "reason"] == "no truth is computed for count_distinct"
    assert truth.loc["kind", "reason"] == "no truth is computed for categories"
    assert truth.loc["late", "reason"] == "no exposed unit whose window closed by the last simulated day"


def potential(mean_count, value=((1.0, 1.0), (1.0, 1.0)), *, at_most_once=False, sigma=0.0):
    """Two units with a visit each, under two variants."""
    return Potential(np.array([0, 1]), np.array(mean_count), at_most_once, np.array(value), sigma, n_units=2)


def test_expected_total_by_hand():
    two = potential([[0.5, 1.0], [1.0, 2.0]], value=[[10.0, 20.0], [10.0, 40.0]])

    assert expected_total(two).tolist() == [[(5 + 20) / 2, (10 + 80) / 2]]


def test_any_event_by_hand():
    poisson = any_event(potential([[np.log(2), np.log(4)], [0.0, 0.0]]))
    once = any_event(potential([[0.5, 1.0], [0.25, 0.0]], at_most_once=True))

    assert poisson == pytest.approx(np.array([[(0.5 + 0.75) / 2, 0.0]]))
    assert once == pytest.approx(np.array([[(0.5 + 1) / 2, 0.125]]))


def test_simulated_means_by_hand():
    """A maximum of one possible event is its value times its probability; a cap cuts the value."""
    once = potential([[0.5, 0.5], [0.25, 0.25]], value=[[8.0, 8.0], [8.0, 8.0]], at_most_once=True)

    maxima = simulated_means(once, np.array([0, 1]), np.random.default_rng(1), maximum=True, cap=None)
    capped = simulated_means(once, np.array([0, 1]), np.random.default_rng(1), maximum=False, cap=Cap(upper=6))

    assert maxima.shape == (64, 2)
    # 64 × 2 draws of 8 × Bernoulli: standard error at most 8 × .5 / √128.
    assert maxima.mean(axis=0) == pytest.approx([4, 2], abs=4 * 8 * 0.5 / np.sqrt(128))
    assert (maxima[:, 0] >= maxima[:, 1]).all()  # common random numbers: the variant only loses events
    assert capped == pytest.approx(maxima * 6 / 8)
