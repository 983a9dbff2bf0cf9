"""A metric that hangs on one unit, and a cap that leaves nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.health.outliers import largest_share_at_least
from tests.analysis.health.examples import METRICS, day, experiment, moments, rows_of


def of_values(values: np.ndarray, **changes: Any) -> dict[str, Any]:
    """A moments row of these units' values."""
    centred = values - values.mean()
    return {
        "as_of_date": day(3), "metric_id": "spend", "variant_id": "a", "n_units": len(values), "mean": values.mean(),
        "variance": values.var(ddof=1), "third_central_moment": (centred**3).mean(), "total": values.sum(),
    } | changes  # fmt: skip


def test_one_unit_with_a_third_of_the_total_warns() -> None:
    """2,000 units of 1 and one of 1,000: its share is 1,000/3,000."""
    values = np.r_[np.ones(2_000), 1_000.0]
    found = rows_of("outlier_dominance", [day(3)], moments=moments([of_values(values)])).iloc[0]
    assert (found["passed"], found["severity"]) == (False, "warning")
    # Σs³/Σs² = (10⁹ + 2,000)/(10⁶ + 2,000)/3,000
    assert found["statistic"] == pytest.approx((1e9 + 2_000) / (1e6 + 2_000) / 3_000)
    assert found["message"] == (
        "spend in a: one of 2,001 units brings at least 33.3% of the total (warns above 30%): see whether it is real,"
        " or cap the metric"
    )


def test_many_alike_pass_and_few_units_are_not_judged() -> None:
    assert rows_of("outlier_dominance", [day(3)], moments=moments([of_values(np.ones(2_000))]))["passed"].all()
    young = rows_of("outlier_dominance", [day(3)], moments=moments([of_values(np.r_[np.zeros(998), 5.0])])).iloc[0]
    assert young["message"] == "no metric with 1,000 units in an arm yet"


def test_a_ratio_s_numerator_is_judged_by_its_squares() -> None:
    """Its third moment is of the linearised ratio. Shares 2/3 and 1/3·1/1,000 each: Σs² = 4/9 + 1/9,000."""
    values = np.r_[np.ones(1_000), 2_000.0]
    row = of_values(values, metric_id="order_value", third_central_moment=-1.0)
    found = rows_of("outlier_dominance", [day(3)], moments=moments([row])).iloc[0]
    assert found["statistic"] == pytest.approx(4 / 9 + 1 / 9_000)
    assert not found["passed"]


@given(st.lists(st.integers(0, 1_000), min_size=2, max_size=30).filter(any))
def test_the_bound_is_never_above_the_largest_share(values: list[int]) -> None:
    frame = moments([of_values(np.array(values, dtype=float))])
    share = max(values) / sum(values)
    bound = largest_share_at_least(frame, METRICS)[0]
    assert sum((value / sum(values)) ** 2 for value in values) - 1e-9 <= bound <= share + 1e-9


@pytest.mark.parametrize(("cap", "mean", "passed"), [(0.0, 0.0, False), (10.0, 0.4, False), (10.0, 0.6, True)])
def test_a_cap_that_takes_most_of_the_total_warns(cap: float, mean: float, passed: bool) -> None:
    """1,000 units with a total of 1,000 before the cap, and of 0, 400 or 600 after it."""
    row = {
        "as_of_date": day(3), "metric_id": "spend", "variant_id": "b", "n_units": 1_000, "mean": mean, "total": 1_000.0,
        "cap_value": cap,
    }  # fmt: skip
    found = rows_of("capped_to_zero", [day(3)], moments=moments([row])).iloc[0]
    assert found["passed"] == passed
    assert found["statistic"] == pytest.approx(1 - mean)
    lenient = experiment(health={"capped_share": 1})
    assert rows_of("capped_to_zero", [day(3)], lenient, moments=moments([row]))["passed"].all()
