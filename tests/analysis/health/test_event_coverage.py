"""Units without events: logs that do not join, and events lost in one arm."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.health import HealthData, health_checks
from configs.schema import HealthThresholds, Project
from tests.analysis.health.examples import METRICS, START, day, experiment, rows_of


def coverage(day_number: int, a: tuple[int, int], b: tuple[int, int], **changes: Any) -> list[dict[str, Any]]:
    """Rows of fct_event_coverage: (units, those with an event) of each arm, cumulative."""
    common = {
        "as_of_date": day(day_number), "experiment_id": "banner", "source_id": "shop", "window_days": 3,
        "n_not_computed": 0,
    } | changes  # fmt: skip
    return [
        common | {"variant_id": variant, "n_units": units, "n_with_event": with_event}
        for variant, (units, with_event) in {"a": a, "b": b}.items()
    ]


def test_units_without_any_event_warn_from_a_thousand_units_on() -> None:
    frame = pd.DataFrame([*coverage(3, (499, 0), (500, 0)), *coverage(4, (600, 0), (600, 1))])
    rows = rows_of("no_events", [day(3), day(4), day(5)], event_coverage=frame)
    assert rows["passed"].tolist() == [True, False, True]  # 999 units; 1 of 1,200; nothing known of that day
    assert rows.loc[day(4), "severity"] == "warning"
    assert rows.loc[day(4), "statistic"] == pytest.approx(1 / 1_200)
    assert rows.loc[day(4), "message"] == (
        "1 of 1,200 units have an event of shop within 3 days of exposure (0.08%, from 1,000 units on warns below"
        " 0.10%): are unit ids the same in both logs, and is it being logged?"
    )
    assert rows.loc[day(5), "message"] == "no unit has been exposed for a whole window yet"


def test_the_minimum_is_the_project_s_or_the_experiment_s() -> None:
    frame = pd.DataFrame(coverage(3, (1_000, 20), (1_000, 20)))
    strict = HealthThresholds(event_share_minimum=0.05)
    assert not rows_of("no_events", [day(3)], project_health=strict, event_coverage=frame)["passed"].any()
    rare = experiment(health={"event_share_minimum": 0})
    assert rows_of("no_events", [day(3)], rare, project_health=strict, event_coverage=frame)["passed"].all()


def test_a_source_that_was_not_computed_is_not_judged() -> None:
    frame = pd.DataFrame(coverage(3, (5_000, 0), (5_000, 0), n_not_computed=5_000))
    assert rows_of("no_events", [day(3)], event_coverage=frame)["passed"].all()


def test_events_lost_in_one_arm_fail_within_two_days() -> None:
    """A tenth of b's units lose all events from day 5 on: 22 of 200 a day beside 2."""
    rows = []
    for number in range(3, 10):
        healthy, broken = min(number, 4) - 2, max(0, number - 4)
        units = 200 * (healthy + broken)
        rows += coverage(number, (units, units - 2 * (healthy + broken)), (units, units - 2 * healthy - 22 * broken))
    days = [day(number) for number in range(3, 10)]
    found = rows_of("event_loss", days, event_coverage=pd.DataFrame(rows))
    assert found["passed"].tolist() == [True, True, True, False, False, False, False]
    assert (found["severity"] == "warning").all()  # 7.6 points at last: from 10 on an error
    assert found.loc[day(9), "statistic"] == pytest.approx((4 + 22 * 5) / 1_400 - 14 / 1_400)
    assert (
        "units without an event of shop within 3 days of exposure: 8.14% of b, 1.00% of a" in found["message"].iloc[-1]
    )


def test_an_arm_that_lost_everything_is_an_error() -> None:
    frame = pd.DataFrame([*coverage(3, (300, 290), (300, 0)), *coverage(4, (600, 580), (600, 0))])
    found = rows_of("event_loss", [day(4)], event_coverage=frame).iloc[0]
    assert (found["severity"], found["passed"]) == ("error", False)


def test_a_small_difference_passes_however_sure_it_is() -> None:
    """5.0 % and 5.8 % of a million units: beyond doubt, and less than a point."""
    frame = pd.DataFrame(coverage(3, (1_000_000, 950_000), (1_000_000, 942_000)))
    found = rows_of("event_loss", [day(3)], event_coverage=frame).iloc[0]
    assert found["p_value"] < 1e-6
    assert found["passed"]
    assert not rows_of(
        "event_loss", [day(3)], experiment(health={"event_loss_difference": 0.005}), event_coverage=frame
    )["passed"].any()


def test_a_sample_ratio_mismatch_is_no_loss() -> None:
    """Half of b's units are missing; those that are there lose no more than a's."""
    frame = pd.DataFrame(coverage(3, (20_000, 18_000), (10_000, 9_000)))
    assert rows_of("event_loss", [day(3)], event_coverage=frame)["p_value"].iloc[0] > 0.5


@pytest.mark.parametrize("lost", [0.02, 0.5])
def test_equal_losses_rarely_fail_in_sixty_looks(lost: float) -> None:
    """400 experiments of 60 daily looks, p < .05: at most 37 alarms, P(X > 37 | 400, .05) = .00011."""
    assert stats.binom.sf(37, 400, 0.05) < 2e-4
    generator = np.random.default_rng(20261127)
    subjects = {f"e{i}": experiment(id=f"e{i}", end=day(59)) for i in range(400)}
    units = generator.poisson(200, (400, 2, 60))
    losses = generator.binomial(units, lost)
    keys = pd.MultiIndex.from_product([list(subjects), ["a", "b"], [day(n) for n in range(60)]]).to_frame(index=False)
    keys.columns = ["experiment_id", "variant_id", "as_of_date"]
    frame = keys.assign(
        source_id="shop", window_days=3, n_not_computed=0,
        n_units=units.cumsum(axis=2).ravel(), n_with_event=(units - losses).cumsum(axis=2).ravel(),
    )  # fmt: skip
    limits = HealthThresholds(event_loss_p=0.05, event_loss_difference=0)
    project = Project(name="shop", history_start=START, health=limits)
    found = health_checks(HealthData(event_coverage=frame), subjects, METRICS, project, [day(59)])
    alarms = (found[found["check_name"] == "event_loss"]["p_value"] < 0.05).sum()
    assert alarms <= 37
