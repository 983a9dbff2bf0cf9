"""Units with more events in a day than a person has."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.health import HealthData, health_checks
from configs.schema import HealthThresholds, Project
from tests.analysis.health.examples import METRICS, START, day, experiment, moments, rows_of

LIMITED = experiment(health={"bot_daily_events": 500})


def probed(day_number: int, a: tuple[int, int], b: tuple[int, int], **changes: Any) -> list[dict[str, Any]]:
    """Rows of fct_metric_probes of spend: (units, bots) of each arm, cumulative; each bot brings 3."""
    common = {
        "as_of_date": day(day_number), "experiment_id": "banner", "metric_id": "spend", "probe": "bots",
        "n_not_computed": 0,
    } | changes  # fmt: skip
    return [
        common | {"variant_id": variant, "n_units": units, "n_found": found, "total": 3.0 * found}
        for variant, (units, found) in {"a": a, "b": b}.items()
    ]


def totals(day_number: int, a: float, b: float) -> pd.DataFrame:
    """The arms' totals of spend."""
    common = {"as_of_date": day(day_number), "metric_id": "spend", "n_units": 2_000}
    return moments([common | {"variant_id": "a", "total": a}, common | {"variant_id": "b", "total": b}])


def test_a_hundredth_of_an_arm_passes_and_more_warns() -> None:
    frame = pd.DataFrame([*probed(3, (2_000, 20), (2_000, 20)), *probed(4, (3_000, 30), (3_000, 31))])
    found = rows_of("bots", [day(3), day(4), day(5)], LIMITED, metric_probes=frame, moments=totals(4, 900, 1_000))
    assert found["passed"].tolist() == [True, False, True]  # 1 %; 31 of 3,000; nothing known of that day
    assert found.loc[day(4), "severity"] == "warning"
    assert found.loc[day(4), "statistic"] == pytest.approx(31 / 3_000)
    assert found.loc[day(4), "message"] == (
        "31 of 3,000 units of b (1.03%) had more than 500 events in a day of the window of spend, and bring 9.3% of"
        " spend (warns above 1.00% of units)"
    )
    assert found.loc[day(5), "message"] == "no unit has been exposed for a whole window yet"


def test_few_bots_that_bring_much_of_a_metric_warn() -> None:
    """5 of 2,000 bring 15 of a's 100, of b's 200."""
    frame = pd.DataFrame(probed(3, (2_000, 5), (2_000, 5)))
    found = rows_of("bots", [day(3)], LIMITED, metric_probes=frame, moments=totals(3, 100, 200)).iloc[0]
    assert (found["passed"], found["statistic"], found["threshold"]) == (False, pytest.approx(0.15), 0.1)
    assert "and bring 15.0% of spend (warns above 10.00% of a metric)" in found["message"]


def test_fewer_than_a_thousand_units_are_not_judged() -> None:
    frame = pd.DataFrame(probed(3, (999, 50), (999, 50)))
    assert rows_of("bots", [day(3)], LIMITED, metric_probes=frame)["passed"].all()


def test_arms_that_differ_warn_however_few_bots_there_are() -> None:
    """2 and 40 of 10,000 new units: p of the likelihood ratio is far below .001 / 3 metrics."""
    frame = pd.DataFrame(probed(3, (10_000, 2), (10_000, 40)))
    found = rows_of("bots", [day(3)], LIMITED, metric_probes=frame).iloc[0]
    assert not found["passed"]
    assert found["p_value"] < found["threshold"] == pytest.approx(0.001 / 3)
    assert found["statistic"] == pytest.approx(0.0038)
    assert "(0.40%, 0.02% of a)" in found["message"]
    assert "arms differ, sequential p" in found["message"]


def test_without_a_limit_nothing_is_tested() -> None:
    found = rows_of("bots", [day(3)])
    assert found["message"].tolist() == [
        "not tested: no `health.bot_daily_events` says how many events a day no person has"
    ]
    assert found["passed"].all()


@pytest.mark.parametrize("metric_id", ["spend", "order_value"])
def test_equal_arms_rarely_warn_in_sixty_looks(metric_id: str) -> None:
    """400 experiments of 60 daily looks, p < .05: at most 37 alarms, P(X > 37 | 400, .05) = .00011.

    Of `spend`, with a window, units are judged once; of `order_value`, without one, 1 % a day of those that are no bots
    yet become one.
    """
    assert stats.binom.sf(37, 400, 0.05) < 2e-4
    generator = np.random.default_rng(20261127)
    subjects = {f"e{i}": experiment(id=f"e{i}", end=day(59)) for i in range(400)}
    new = generator.poisson(100, (400, 2, 60))
    units, found = new.cumsum(axis=2), np.zeros_like(new)
    if metric_id == "spend":
        found = generator.binomial(new, 0.03).cumsum(axis=2)
    else:
        for n in range(60):
            before = found[:, :, n - 1] if n else 0
            found[:, :, n] = before + generator.binomial(units[:, :, n] - before, 0.01)
    keys = pd.MultiIndex.from_product([list(subjects), ["a", "b"], [day(n) for n in range(60)]]).to_frame(index=False)
    keys.columns = ["experiment_id", "variant_id", "as_of_date"]
    frame = keys.assign(
        metric_id=metric_id, probe="bots", n_not_computed=0, total=np.nan,
        n_units=units.ravel(), n_found=found.ravel(),
    )  # fmt: skip
    limits = HealthThresholds(bot_daily_events=500, bot_difference_p=0.15, bot_share=1)  # .15 over three metrics
    project = Project(name="shop", history_start=START, health=limits)
    rows = health_checks(HealthData(metric_probes=frame), subjects, METRICS, project, [day(59)])
    assert (~rows[rows["check_name"] == "bots"]["passed"]).sum() <= 37
