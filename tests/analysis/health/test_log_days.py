"""What the audits found, and how old the newest logs are."""

from datetime import date

import pandas as pd

from tests.analysis.health.examples import day, experiment, rows_of


def findings(*rows: tuple[date, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["log_date", "source_id", "experiment_id", "finding"])


def logs(last_web: int, last_shop: int) -> pd.DataFrame:
    rows = [(day(n), "web", "ok", "") for n in range(-10, last_web + 1)]
    rows += [(day(n), "shop", "ok", "") for n in range(-10, last_shop + 1)]
    return pd.DataFrame(rows, columns=["log_date", "source_id", "status", "reason"])


def test_a_finding_about_the_day_or_the_experiment_warns_on_that_date_alone() -> None:
    frame = findings(
        (day(3), "shop", "", "volume_ratio is 0.3, expected 0.5 to 2.0"),
        (day(3), "web", "banner", "slice_ratio is 0.1 for banner/b, expected 0.25 to 4.0"),
        (day(4), "web", "other", "slice_ratio is 0.1 for other/b, expected 0.25 to 4.0"),
        (day(4), "tickets", "", "volume_ratio is 0, expected 0.5 to 2.0"),
    )
    found = rows_of("log_anomalies", [day(3), day(4)], day_findings=frame)
    assert found["passed"].tolist() == [False, True]
    assert found["statistic"].tolist() == [2, 0]
    assert found.loc[day(3), "message"] == (
        "shop: volume_ratio is 0.3, expected 0.5 to 2.0; web: slice_ratio is 0.1 for banner/b, expected 0.25 to 4.0"
    )


def test_logs_that_are_no_longer_needed_are_not_looked_at() -> None:
    """Exposures are needed until late ones of the last day, 27, are in on day 29; slices shrink after day 27."""
    odd = "quarantine_share is 1.0, expected at most 0.05"
    frame = findings((day(28), "web", "banner", "slice"), (day(29), "web", "", odd), (day(30), "web", "", odd))
    found = rows_of("log_anomalies", [day(28), day(29), day(30)], day_findings=frame)
    assert found["passed"].tolist() == [True, False, True]


def test_the_newest_usable_log_may_be_two_days_old() -> None:
    found = rows_of("metric_freshness", [day(5), day(7), day(8)], source_days=logs(last_web=20, last_shop=5))
    assert found["passed"].tolist() == [True, True, False]
    assert found["statistic"].tolist() == [0, 2, 3]
    assert found.loc[day(8), "message"] == (
        "the newest usable log of shop is 3 days older than the newest needed (warns from 3)"
    )
    impatient = experiment(health={"stale_days": 1})
    assert not rows_of("metric_freshness", [day(6)], impatient, source_days=logs(20, 5))["passed"].any()


def test_logs_are_not_stale_once_none_is_needed() -> None:
    """The last window (3 days) ends on day 30, and rows may be 2 days late; exposures are needed until day 29."""
    found = rows_of("metric_freshness", [day(30)], source_days=logs(last_web=29, last_shop=30))
    assert found["statistic"].tolist() == [0]
