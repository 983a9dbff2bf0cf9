"""Logged variants against recomputed ones."""

import pandas as pd
import pytest

from tests.analysis.health.examples import day, experiment, rows_of

HASHED = experiment(hashing={"salt": "banner."})


def units(*rows: tuple[int, str, str, int]) -> pd.DataFrame:
    """(day, logged variant, variant of the hash, units)."""
    frame = pd.DataFrame(rows, columns=["known_from", "variant_id", "hashed_variant_id", "n_units"])
    return frame.assign(known_from=[day(n) for n in frame["known_from"]], experiment_id="banner")


def test_a_thousandth_passes_more_warns_a_hundredth_passes_for_that_and_more_fails() -> None:
    frame = units(
        (0, "a", "a", 500), (0, "b", "b", 499), (0, "a", "b", 1), (1, "a", "b", 4), (1, "b", "b", 496),
        (2, "b", "a", 40),
    )  # fmt: skip
    found = rows_of("assignment_integrity", [day(0), day(1), day(2)], HASHED, assignments=frame)
    assert found["statistic"].tolist() == pytest.approx([1 / 1_000, 5 / 1_500, 45 / 1_540])
    assert found["passed"].tolist() == [True, False, False]
    assert found["severity"].tolist() == ["error", "warning", "error"]
    assert found.loc[day(2), "message"] == (
        "45 of 1,540 units were first logged in another variant than their hash gives (2.92%, warns above 0.10%, fails"
        " above 1.00%)"
    )


def test_without_a_declaration_nothing_is_tested() -> None:
    assert rows_of("assignment_integrity", [day(0)])["message"].tolist() == [
        "not tested: the experiment declares no hashing"
    ]
    assert rows_of("assignment_integrity", [day(0)], HASHED)["message"].tolist() == ["no unit yet"]
