"""Units in two experiments that exclude each other."""

import pandas as pd
import pytest

from analysis.health import HealthData, health_checks
from configs.schema import Project
from tests.analysis.health.examples import METRICS, START, day, experiment, rows_of

GROUPED = experiment(exclusion_group="checkout_page")


def shared(*rows: tuple[int, str, int]) -> pd.DataFrame:
    """Rows of fct_excluded_units: (day, other experiment, units)."""
    frame = pd.DataFrame(rows, columns=["known_from", "other_experiment_id", "n_units"])
    return frame.assign(known_from=[day(n) for n in frame["known_from"]], experiment_id="banner")


@pytest.fixture
def counts() -> pd.DataFrame:
    """Rows of fct_epoch_counts: a thousand units on the first two days."""
    return pd.DataFrame(
        [(day(n), "banner", "all", "all", 0, arm, 499, 1, 0.5) for n in (0, 1) for arm in ("a", "b")],
        columns=HealthData().epoch_counts.columns,
    )


def test_shared_units_add_up_over_days_and_the_worst_is_told(counts) -> None:
    found = rows_of(
        "exclusion_group",
        [day(0), day(1)],
        GROUPED,
        excluded_units=shared((0, "hero", 1), (1, "hero", 1), (1, "footer", 5)),
        epoch_counts=counts,
    )

    assert found["passed"].tolist() == [True, False] and set(found["severity"]) == {"error"}
    assert found["statistic"].tolist() == pytest.approx([0.001, 0.005])
    assert found["message"].iloc[1] == (
        "5 of 1,000 units (0.50%) are in footer too, of the same exclusion group checkout_page (fails above 0.10%);"
        " so does 1 more experiment"
    )


def test_a_group_without_shared_units_passes_and_an_experiment_without_one_has_no_row(counts) -> None:
    (row,) = rows_of("exclusion_group", [day(0)], GROUPED, epoch_counts=counts).to_dict("records")

    assert row["passed"] and row["statistic"] == 0
    assert (
        row["message"] == "no unit is in another experiment of exclusion group checkout_page that runs at the same time"
    )
    project = Project(name="shop", history_start=START)
    found = health_checks(HealthData(epoch_counts=counts), {"banner": experiment()}, METRICS, project, [day(0)])
    assert "exclusion_group" not in set(found["check_name"])
