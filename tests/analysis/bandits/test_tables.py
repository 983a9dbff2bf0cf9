"""What is published of bandits, from moments by batch that can be followed by hand."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.bandits.allocation import Policy, allocate_shares
from analysis.bandits.batched_ols import batched_ols
from analysis.bandits.batches import ArmMoments, Batches
from analysis.bandits.columns import ALLOCATION_COLUMNS, GAIN_COLUMNS, VALUE_COLUMNS
from analysis.bandits.scorecard import bandit_scorecard
from analysis.bandits.tables import bandit_allocations, bandit_gains, policy_values
from analysis.scorecard.columns import SCORECARD_COLUMNS
from configs.schema import Experiment, Metric

DAYS = pd.date_range("2026-10-01", periods=4)
AS_OF = pd.Timestamp(2026, 10, 3)
METRICS = {
    "buys": Metric(id="buys", label="Buys", type="proportion", source="s", event="e", window={"end_days": 1}),
    "basket": Metric.model_validate(
        {
            "id": "basket",
            "type": "ratio",
            "numerator": {"source": "s", "event": "e", "aggregate": "count"},
            "denominator": {"source": "s", "event": "f", "aggregate": "count"},
        }
    ),
}
NOTHING_BLOCKED = pd.DataFrame(columns=["as_of_date", "experiment_id", "metric_id", "status", "reason"])
# By batch and arm: units, and how many of them bought.
UNITS = np.array([[200, 200], [100, 300]])
BOUGHT = np.array([[20, 40], [10, 60]])


def bandit(**given: Any) -> Experiment:
    """1 to 4 October, two arms that start even."""
    return Experiment.model_validate(
        {
            "id": "headline",
            "type": "bandit",
            "start": date(2026, 10, 1),
            "end": date(2026, 10, 4),
            "exposure_source": "web",
            "variants": [{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.5}],
            "metrics": {"primary": ["buys"], "secondary": ["basket"]},
            "bandit": {
                "reward": "buys",
                "leader_share": 1.0,
                "policies": [{"id": "only_b", "shares": {"b": 1.0}}],
            },
        }
        | given
    )


def batch_moments(as_of: pd.Timestamp = AS_OF) -> pd.DataFrame:
    """The first two days, as known at an as-of date."""
    rows = [
        ("headline", arm, "buys", day, n, x / n, x / n * (1 - x / n) * n / (n - 1))
        for day, units, bought in zip(DAYS, UNITS.tolist(), BOUGHT.tolist(), strict=False)
        for arm, n, x in zip("ab", units, bought, strict=True)
    ]
    columns = ["experiment_id", "variant_id", "metric_id", "batch_date", "n_units", "mean", "variance"]
    return pd.DataFrame(rows, columns=columns).assign(as_of_date=as_of)


def whole_moments(as_of: pd.Timestamp = AS_OF, **columns: Any) -> pd.DataFrame:
    n, x = UNITS.sum(axis=0), BOUGHT.sum(axis=0)
    rows = {
        "as_of_date": as_of,
        "experiment_id": "headline",
        "variant_id": list("ab"),
        "metric_id": "buys",
        "segment_name": "all",
        "n_units": n,
        "mean": x / n,
        "n_overflow": 0,
        "n_not_computed": 0,
    }
    return pd.DataFrame(rows | columns)


def asked(*days: pd.Timestamp) -> pd.DataFrame:
    return pd.DataFrame({"as_of_date": list(days), "experiment_id": "headline"})


def blocked(status: str, reason: str) -> pd.DataFrame:
    rows = [(AS_OF, "headline", "buys", status, reason)]
    return pd.DataFrame(rows, columns=NOTHING_BLOCKED.columns)


def allocations() -> pd.DataFrame:
    """Of the second day a quarter to a, of the third a tenth."""
    rows = [
        (pd.Timestamp(2026, 10, day - 1), "headline", pd.Timestamp(2026, 10, day), arm, share)
        for day, shares in ((2, (0.25, 0.75)), (3, (0.1, 0.9)), (4, (0.1, 0.9)))
        for arm, share in zip("ab", shares, strict=True)
    ]
    return pd.DataFrame(rows, columns=["as_of_date", "experiment_id", "day", "variant_id", "share"])


BATCHES = Batches.of(
    UNITS,
    BOUGHT / UNITS,
    BOUGHT / UNITS * (1 - BOUGHT / UNITS) * UNITS / (UNITS - 1),
    np.array([[0.5, 0.5], [0.25, 0.75]]),
)


def test_tomorrow_s_allocation_is_thompson_sampling_s() -> None:
    experiment = bandit()
    found = bandit_allocations(batch_moments(), {"headline": experiment}, METRICS, NOTHING_BLOCKED, asked(AS_OF))
    assert list(found.columns) == list(ALLOCATION_COLUMNS)
    assert set(found["day"]) == {pd.Timestamp(2026, 10, 4)} and list(found["variant_id"]) == ["a", "b"]
    # Both days have half of the units, so means are halves of both days', worth 1/(¼/200 + ¼/100) and so on.
    worth = 1 / (0.25 / UNITS[0] + 0.25 / UNITS[1])
    means = (BOUGHT / UNITS).mean(axis=0)
    np.testing.assert_allclose(found["mean"], means)
    expected = allocate_shares(ArmMoments(worth, means, means), Policy((0.5, 0.5), leader_share=1.0))
    np.testing.assert_array_equal(found["buckets"], expected.buckets)
    assert found["share"].tolist() == [0.05, 0.95]  # b is better with a chance of .9999: a is at its floor
    assert found[["first_bucket", "end_bucket"]].to_numpy().tolist() == [[0, 500], [500, 10_000]]
    assert list(found["n_units"]) == [300, 500] and set(found["status"]) == {"ok"}
    assert set(found["salt"]) == {"headline:2026-10-04:"}


@pytest.mark.parametrize(
    ("moments", "forbidden", "status", "words"),
    [
        (batch_moments().iloc[:0], NOTHING_BLOCKED, "burn_in", "fewer units than the policy's minimum"),
        (
            batch_moments(),
            blocked("incomplete", "logs of s are missing"),
            "incomplete",
            "logs of s are missing: the start",
        ),
    ],
)
def test_without_rewards_to_go_by_the_weights_hold(
    moments: pd.DataFrame, forbidden: pd.DataFrame, status: str, words: str
) -> None:
    found = bandit_allocations(moments, {"headline": bandit()}, METRICS, forbidden, asked(AS_OF))
    assert found["share"].tolist() == [0.5, 0.5] and set(found["status"]) == {status}
    assert found["reason"].str.contains(words).all()


def test_nothing_is_allocated_for_days_after_the_end() -> None:
    end = pd.Timestamp(2026, 10, 4)
    found = bandit_allocations(batch_moments(end), {"headline": bandit()}, METRICS, NOTHING_BLOCKED, asked(AS_OF, end))
    assert set(found["as_of_date"]) == {AS_OF}


def test_a_project_without_bandits_has_no_rows() -> None:
    plain = {"x": bandit(id="x", type="ab", bandit=None)}
    assert bandit_allocations(batch_moments(), plain, METRICS, NOTHING_BLOCKED, asked(AS_OF)).empty


@pytest.mark.parametrize("inference", ["batched_ols", "adaptive_weights"])
def test_scorecard_rows_are_of_batches(inference: str) -> None:
    experiment = bandit(bandit={"reward": "buys", "inference": inference})
    found = bandit_scorecard(
        batch_moments(),
        whole_moments(),
        allocations(),
        {"headline": experiment},
        METRICS,
        NOTHING_BLOCKED,
        asked(AS_OF),
    )
    assert list(found.columns) == list(SCORECARD_COLUMNS)
    row = found[found["metric_id"] == "buys"].iloc[0]
    assert (row["method"], row["variant_id"], row["baseline_id"]) == (inference, "b", "a")
    assert (row["n_baseline"], row["n_treatment"]) == (300, 500)
    # b's share is ten points higher on both days, however days are weighed.
    assert row["effect"] == pytest.approx(0.1) and row["effect_relative"] == pytest.approx(0.1 / 0.1)
    assert row["p_value_adjusted"] == row["p_value"] < 0.05 and row["p_value_deterioration"] > 0.97
    if inference == "batched_ols":
        expected = batched_ols(BATCHES)
        assert row["effect_se"] == pytest.approx(expected.se[1], rel=1e-12)
    # Only 30 of a's units bought.
    assert (row["status"], row["reason"]) == ("sparse", "an arm has fewer than 100 events: its tests are rough")
    ratio = found[found["metric_id"] == "basket"].iloc[0]
    assert ratio["status"] == "failed" and "a ratio has no moments by batch" in ratio["reason"]


def test_what_is_blocked_has_a_row_and_no_number() -> None:
    given = batch_moments(), whole_moments(), allocations(), {"headline": bandit()}, METRICS
    found = bandit_scorecard(*given, blocked("incomplete", "logs of s are missing"), asked(AS_OF))
    row = found[found["metric_id"] == "buys"].iloc[0]
    assert row["status"] == "incomplete" and row[["effect", "p_value", "n_baseline", "ci_low_adjusted"]].isna().all()
    lacking = bandit_scorecard(given[0], whole_moments(n_not_computed=3), *given[2:], NOTHING_BLOCKED, asked(AS_OF))
    assert lacking[lacking["metric_id"] == "buys"].iloc[0]["status"] == "not_computed"


def test_the_value_of_playing_one_arm_alone() -> None:
    given = batch_moments(), allocations(), {"headline": bandit()}
    found = policy_values(*given, NOTHING_BLOCKED, asked(AS_OF))
    assert list(found.columns) == list(VALUE_COLUMNS)
    value = found.set_index("estimator")["value"]
    # b's units weigh 2 on the first day and 4/3 on the second: Σwy = 2·40 + 4/3·60 = 160.
    assert value["self_normalised"] == pytest.approx(160 / (2 * 200 + 4 / 3 * 300))
    assert value["inverse_propensity"] == pytest.approx(160 / 800)
    assert set(found["status"]) == {"ok"} and set(found["n_units"]) == {800}


def test_the_gain_over_an_even_split() -> None:
    found = bandit_gains(batch_moments(), allocations(), {"headline": bandit()}, NOTHING_BLOCKED, asked(AS_OF))
    assert list(found.columns) == list(GAIN_COLUMNS)
    # On the second day b had a quarter of 400 units more than half, each worth .1 more than a.
    assert found["gain"].iloc[0] == pytest.approx(400 * 0.25 * 0.1)
    assert found["gain_per_unit"].iloc[0] == pytest.approx(10 / 800) and found["n_batches"].iloc[0] == 2
