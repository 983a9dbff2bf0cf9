"""A definition that changed while the experiment ran."""

import pandas as pd

from tests.analysis.health.examples import day, experiment, rows_of

FORMER = pd.DataFrame(
    [
        ("banner", "aaaa", day(3), "metrics.spend.window.end_days: 3, now 7"),
        ("banner", "bbbb", day(6), 'experiment.metrics.secondary: [], now ["spend"]'),
        ("other", "cccc", day(0), "experiment.end: 2026-09-01, now 2026-09-28"),
    ],
    columns=["experiment_id", "config_hash", "last_date", "changes"],
)


def test_dates_from_the_last_of_an_other_definition_on_warn_and_say_what_changed() -> None:
    days = [day(2), day(3), day(5), day(6)]
    found = rows_of("definition_changed", days, former_definitions=FORMER)
    assert found["passed"].tolist() == [True, False, False, False]
    assert found["statistic"].tolist() == [0, 1, 1, 2]
    assert set(found["severity"]) == {"warning"}
    assert found["message"].tolist() == [
        "the definition is the one that it began with",
        *["until as-of 2026-09-04 results were published under another definition (aaaa):"
          " metrics.spend.window.end_days: 3, now 7"] * 2,
        "until as-of 2026-09-07 results were published under another definition (bbbb):"
        ' experiment.metrics.secondary: [], now ["spend"]; and under 1 more before',
    ]  # fmt: skip


def test_changes_may_be_allowed() -> None:
    found = rows_of(
        "definition_changed", [day(5), day(6)], experiment(health={"definition_changes": 1}), former_definitions=FORMER
    )
    assert found["passed"].tolist() == [True, False]
