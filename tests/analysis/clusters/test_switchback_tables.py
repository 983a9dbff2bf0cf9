"""Switchbacks from sums that can be followed by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from analysis.clusters.cr2 import cr2
from analysis.clusters.sums import ClusterSums
from analysis.clusters.switchback import Switchback, horvitz_thompson, randomisation_p
from analysis.clusters.switchback_periods import played
from analysis.clusters.switchback_scorecard import switchback_scorecard
from analysis.clusters.switchback_tables import switchback_blocks, switchback_estimates
from configs.schema import Experiment, Metric

END = pd.Timestamp(2026, 10, 2)
RIDES = Metric.model_validate({"id": "rides", "type": "mean", "source": "s", "event": "e", "aggregate": "count"})
NOTHING_BLOCKED = pd.DataFrame(columns=["as_of_date", "experiment_id", "metric_id", "status", "reason"])
DATES = pd.DataFrame({"as_of_date": [END], "experiment_id": "dispatch"})
EXPERIMENT = {
    "id": "dispatch",
    "type": "switchback",
    "start": date(2026, 10, 1),
    "end": date(2026, 10, 2),
    "exposure_source": "web",
    "switchback": {"attribute": "city", "period_minutes": 240, "block_periods": 3, "carryover_periods": 1},
    "variants": [{"id": "old", "weight": 0.5, "baseline": True}, {"id": "new", "weight": 0.5}],
    "metrics": {"primary": ["rides"]},
}
# Two cities, twelve periods of four hours in four blocks each. Ten riders a period; rides by block and place in it.
ARMS = {"Oslo": ["old", "new", "new", "old"], "Rome": ["new", "old", "new", "old"]}
VALUES = {"Oslo": [[5, 2, 4], [1, 6, 8], [9, 7, 9], [8, 3, 5]], "Rome": [[0, 5, 5], [6, 1, 3], [2, 6, 6], [7, 4, 2]]}


def rows(**changed: object) -> pd.DataFrame:
    """fct_switchback_sums of these; the first day's are known from it on, the second's from the second."""
    found = [
        {
            "known_from": pd.Timestamp(2026, 10, 1 + period // 6),
            "experiment_id": "dispatch",
            "market": city,
            "period": period,
            "variant_id": ARMS[city][period // 3],
            "metric_id": "rides",
            "n_units": 10,
            "value_sum": 10.0 * VALUES[city][period // 3][period % 3],
            "denominator_sum": 0.0,
            "decimals": 1,
            "denominator_decimals": 0,
        }
        for city in ARMS
        for period in range(12)
    ]
    return pd.DataFrame([row | changed for row in found])


def of(experiment: dict[str, object] = EXPERIMENT) -> dict[str, Experiment]:
    return {"dispatch": Experiment.model_validate(experiment)}


def scorecard(sums: pd.DataFrame, experiment: dict[str, object] = EXPERIMENT) -> pd.Series:
    found = switchback_scorecard(sums, of(experiment), {"rides": RIDES}, NOTHING_BLOCKED, DATES, "UTC")
    assert len(found) == 1
    return found.iloc[0]


def test_blocks_are_compared_without_their_first_period():
    """By hand: blocks' sums are 6, 14, 16, 8 and 10, 4, 12, 6 of twenty riders each."""
    row = scorecard(rows())
    assert row["baseline_mean"] == pytest.approx((6 + 8 + 4 + 6) / 80)
    assert row["treatment_mean"] == pytest.approx((14 + 16 + 10 + 12) / 80)
    assert row["effect"] == pytest.approx(28 / 80) and (row["n_baseline"], row["n_treatment"]) == (80, 80)
    arms = [arm == "new" for city in ARMS for arm in ARMS[city]]
    expected = cr2(ClusterSums.of([20.0] * 8, [6, 14, 16, 8, 10, 4, 12, 6], arms))
    assert row["effect_se"] == pytest.approx(float(expected.se)) and row["method"] == "switchback_cr2"
    assert row["status"] == "few_clusters" and "fewer than 10 blocks" in row["reason"]
    blocks = switchback_blocks(rows(), of(), {"rides": RIDES}, DATES, "Europe/Rome")
    assert list(blocks["total"]) == [6, 14, 16, 8, 10, 4, 12, 6] and set(blocks["n_periods_kept"]) == {2}
    assert list(blocks["variant_id"]) == ARMS["Oslo"] + ARMS["Rome"]
    assert blocks["starts_at"].iloc[1] == pd.Timestamp(2026, 10, 1, 10)  # noon in Rome


def test_estimates_stand_beside_one_another():
    found = switchback_estimates(rows(), of(), {"rides": RIDES}, DATES, "UTC")
    assert list(zip(found["estimator"], found["washed_out_periods"], strict=True)) == [
        ("switchback_cr2", 1), ("switchback_cr2", 2), ("switchback_horvitz_thompson", 1)
    ]  # fmt: skip
    assert found["effect"].iloc[1] == pytest.approx((8 + 9 + 5 + 6 - 4 - 5 - 3 - 2) / 40)
    block = np.repeat(np.arange(4), 3)
    mean = np.mean([VALUES[city] for city in ARMS])
    markets = [
        Switchback((np.ravel(VALUES[city]) - mean) / 10, block, np.repeat([arm == "new" for arm in ARMS[city]], 3), 1)
        for city in ARMS
    ]
    expected = horvitz_thompson(markets)
    assert found["effect"].iloc[2] == pytest.approx(float(expected.value))
    assert found["effect_se"].iloc[2] == pytest.approx(float(expected.se))
    apart = [horvitz_thompson(one) for one in markets]
    assert float(expected.value) == pytest.approx(np.mean([float(one.value) for one in apart]))
    assert float(expected.se) == pytest.approx(np.sqrt(sum(float(one.se) ** 2 for one in apart)) / 2)
    # 256 assignments: by drawing 999 of them the p-value is near that of all.
    assert found["p_value_randomised"].iloc[2] == pytest.approx(float(randomisation_p(markets, 1, 20_000)), abs=0.05)


def test_a_date_knows_the_periods_that_have_ended():
    found = played(rows(), of()["dispatch"], date(2026, 10, 1), "UTC")
    assert found.block.size == 6 and found.arm.tolist() == [[0, 1], [1, 0]] and found.is_known


def test_units_in_another_arm_than_their_block_are_left_out_until_there_are_too_many():
    few = rows().iloc[[0]].assign(variant_id="new", n_units=2, value_sum=990.0)
    found = switchback_blocks(pd.concat([rows(), few]), of(), {"rides": RIDES}, DATES, "UTC")
    assert list(found["n_strays"]) == [2] + 7 * [0] and found["total"].iloc[0] == 6
    many = scorecard(pd.concat([rows(), few.assign(n_units=9)]))
    assert many["status"] == "failed" and "not switched whole" in many["reason"]
    assert scorecard(pd.concat([rows(), few]))["effect"] == pytest.approx(28 / 80)


def test_a_block_nobody_came_in_has_no_arm_and_takes_no_part():
    without = rows()[lambda frame: (frame["market"] != "Oslo") | (frame["period"] // 3 != 1)]
    assert scorecard(without)["effect"] == pytest.approx((16 + 10 + 12) / 60 - 24 / 80)
    estimates = switchback_estimates(without, of(), {"rides": RIDES}, DATES, "UTC")
    assert estimates["status"].iloc[2] == "not_computed" and "not on record" in estimates["reason"].iloc[2]


def test_without_exposures_there_is_nothing_to_compare():
    row = scorecard(rows().iloc[:0])
    assert row["status"] == "no_units" and np.isnan(row["effect"])


def test_best_blocks_are_for_horvitz_thompson():
    """Ten blocks of twelve periods: of two at both ends, else of one."""
    best = EXPERIMENT | {"switchback": {"attribute": "city", "period_minutes": 240, "carryover_periods": 1}}
    block = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9])
    drawn = np.array([1, 0, 0, 1, 1, 1, 0, 1, 0, 0], dtype=bool)[block]
    sums = rows().assign(variant_id=np.tile(np.where(drawn, "new", "old"), 2))
    row = scorecard(sums, best)
    mean = np.mean([VALUES[city] for city in ARMS])
    markets = [Switchback((np.ravel(VALUES[city]) - mean) / 10, block, drawn, 1) for city in ARMS]
    assert row["method"] == "switchback_horvitz_thompson" and row["status"] == "ok"
    assert row["effect"] == pytest.approx(float(horvitz_thompson(markets).value))
    assert (row["n_baseline"], row["n_treatment"]) == (120, 120)
