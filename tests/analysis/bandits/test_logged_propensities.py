"""Logged chances by hand: of two days and two arms, published as even."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from analysis.bandits.logged_propensities import propensity_looks, shares_of
from configs.schema import Experiment

DATES = [pd.Timestamp(2026, 10, 1), pd.Timestamp(2026, 10, 2)]
ALLOCATIONS = pd.DataFrame(
    {"experiment_id": "b", "day": DATES[1], "variant_id": ["off", "on"], "share": [0.3, 0.7]},
)


def bandit(**own: object) -> Experiment:
    return Experiment.model_validate(
        {
            "id": "b",
            "type": "bandit",
            "start": date(2026, 10, 1),
            "end": date(2026, 10, 2),
            "variants": [{"id": "off", "weight": 0.5, "baseline": True}, {"id": "on", "weight": 0.5}],
            "metrics": {"primary": ["m"]},
            "bandit": {"reward": "m"} | own,
        }
    )


def logged(*rows: tuple[int, int, str, str, int]) -> pd.DataFrame:
    """(known from, day, variant, chance, units), days of October."""
    frame = pd.DataFrame(rows, columns=["known_from", "batch_date", "variant_id", "propensity", "n_units"])
    for name in ("known_from", "batch_date"):
        frame[name] = [pd.Timestamp(2026, 10, day) for day in frame[name]]
    return frame.assign(experiment_id="b")


def shares(*rows: tuple[int, int, str, str, int]) -> np.ndarray:
    return shares_of(ALLOCATIONS, bandit(propensity="chance"), DATES, logged(*rows))


def test_without_a_declared_attribute_what_was_published_holds():
    found = shares_of(ALLOCATIONS, bandit(), DATES, logged((1, 1, "on", "0.9", 5)))
    assert found.tolist() == [[0.5, 0.5], [0.3, 0.7]]


def test_logged_chances_come_first_from_the_date_that_knows_them():
    found = shares((1, 1, "off", "0.4", 5), (1, 1, "on", "0.6", 5), (2, 2, "on", "0.25", 8))
    assert found[0].tolist() == [[0.4, 0.6], [0.3, 0.7]]
    assert found[1] == pytest.approx(np.array([[0.4, 0.6], [0.75, 0.25]]))  # the other arm has what is left


def test_a_day_with_several_chances_has_their_mean_and_rounding_is_scaled_away():
    assert shares((1, 1, "on", "0.2", 1), (1, 1, "on", "0.6", 3))[0, 0] == pytest.approx([0.5, 0.5])
    assert shares((1, 1, "off", "0.333", 1), (1, 1, "on", "0.666", 2))[0, 0] == pytest.approx([1 / 3, 2 / 3])
    assert shares((1, 1, "off", "0.9", 1), (1, 1, "on", "0.6", 2))[0, 0].tolist() == [0.9, 0.6]  # wrong, and left so


def test_impossible_chances_count_for_nothing_and_are_counted():
    rows = [(1, 1, "on", text, 1) for text in ("0", "1.5", "-0.1", "", "much", "nan")] + [(1, 1, "on", "0.5", 4)]
    assert shares(*rows)[0, 0].tolist() == [0.5, 0.5]
    more = logged(*rows, (2, 2, "on", "0.1", 2), (2, 2, "off", "0.299", 3))
    looks = propensity_looks(ALLOCATIONS, bandit(propensity="chance"), DATES, more)
    assert looks[["n_units", "n_impossible", "n_apart"]].to_numpy().tolist() == [[10, 6, 0], [15, 6, 2]]
    assert looks["largest_gap"].tolist() == pytest.approx([0, 0.6])
