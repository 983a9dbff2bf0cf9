"""The heart of the pipeline against a plain reimplementation of the design's rules, on random logs.

What dbt builds from the lake, at every as-of date, equals `Reference`, which starts from scratch for each; and however
the days were split into runs, rerun or corrected, the marts are those of one run over everything, to the last bit.
"""

from collections.abc import Iterable
from datetime import date
from math import isnan
from random import Random
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.end_to_end.random_logs import History, random_history
from tests.end_to_end.reference_buckets import bucket_sums, cap_tails
from tests.end_to_end.reference_categories import category_counts
from tests.end_to_end.reference_covariates import covariate_moments
from tests.end_to_end.reference_coverage import event_coverage
from tests.end_to_end.reference_days import day_moments
from tests.end_to_end.reference_events import event_clusters, event_value_counts
from tests.end_to_end.reference_moments import STRATUM_COLUMNS, Key, Reference
from tests.end_to_end.reference_probes import metric_probes
from tests.end_to_end.small_shop import HISTORY_DAYS, LAST_DAY, MARTS, SmallShop, assert_same_marts

pytestmark = pytest.mark.xdist_group("moments")

UNHURRIED = settings(
    deadline=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
SEEDED = st.randoms(note_method_calls=False, use_true_random=True)
NUMBERS = [
    "mean", "variance", "third_central_moment", "total", "denominator_mean", "denominator_variance",
    "denominator_covariance", "covariate_mean", "covariate_variance", "covariate_covariance", "no_history_share",
    "no_history_covariance", "covariate_no_history_covariance", "denominator_covariate_covariance",
    "denominator_no_history_covariance", "cap_value",
]  # fmt: skip
COVARIANCES = {
    "denominator_covariance": ("variance", "denominator_variance"),
    "covariate_covariance": ("variance", "covariate_variance"),
    "no_history_covariance": ("variance", None),
    "covariate_no_history_covariance": ("covariate_variance", None),
    "denominator_covariate_covariance": ("denominator_variance", "covariate_variance"),
    "denominator_no_history_covariance": ("denominator_variance", None),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return SmallShop(tmp_path_factory.mktemp("shop"))


@settings(UNHURRIED, max_examples=2, derandomize=True)
@given(rng=SEEDED)
def test_the_marts_are_the_design_s_rules_however_the_days_were_run(shop: SmallShop, rng: Random) -> None:
    check(shop, random_history(rng))


@pytest.mark.slow
@settings(UNHURRIED, max_examples=60)
@given(rng=SEEDED)
def test_the_marts_are_the_design_s_rules_on_many_histories(shop: SmallShop, rng: Random) -> None:
    check(shop, random_history(rng))


def check(shop: SmallShop, history: History) -> None:
    config = shop.begin(history.start)
    logs = history.logs | history.first_delivered
    shop.deliver(logs)
    through = shop.day(-HISTORY_DAYS)
    for number, (first, last) in enumerate(history.runs, start=1):
        if number == len(history.runs) and history.corrected is not None:
            logs = history.logs
            shop.deliver({key: files for key, files in logs.items() if key[1] == history.corrected})
        shop.run(first, last)
        through = max(through, last)
        assert_follow_the_rules(shop.marts(), Reference(config, logs), through)
    piecemeal = shop.marts()

    shop.forget_results()
    shop.build(shop.day(-HISTORY_DAYS), shop.day(LAST_DAY))
    assert_same_marts(piecemeal, shop.marts())


def assert_follow_the_rules(marts: dict[str, pd.DataFrame], reference: Reference, through: date) -> None:
    expected = {
        "fct_exposure_counts": reference.exposure_counts(through),
        "fct_epoch_counts": reference.epoch_counts(through),
        "fct_metric_moments": reference.metric_moments(through),
        "fct_stratum_moments": reference.stratum_moments(through),
        "fct_covariate_moments": covariate_moments(reference, through),
        "fct_value_counts": reference.value_counts(through),
        "fct_bucket_sums": bucket_sums(reference, through),
        "fct_cap_tails": cap_tails(reference, through),
        "fct_category_counts": category_counts(reference, through),
        "fct_day_moments": day_moments(reference, through),
        "fct_event_value_counts": event_value_counts(reference, through),
        "fct_event_clusters": event_clusters(reference, through),
        "fct_event_coverage": event_coverage(reference, through),
        "fct_metric_probes": metric_probes(reference, through),
    }
    for name, keys in MARTS.items():
        actual = by_key(marts[name], keys)
        if name in ("fct_event_coverage", "fct_metric_probes"):
            actual = {key: row for key, row in actual.items() if row["n_units"] or row["n_not_computed"]}
        if name == "fct_metric_moments":
            actual = {key: row for key, row in actual.items() if counts_anybody(row)}
        assert actual.keys() == expected[name].keys(), (name, actual.keys() ^ expected[name].keys())
        for key, row in expected[name].items():
            if name == "fct_metric_moments":
                assert_same_moments(key, actual[key], row)
            elif name == "fct_stratum_moments":
                assert {column: actual[key][column] for column in ("n_units", "n_cells")} == {
                    column: row[column] for column in ("n_units", "n_cells")
                }, key
                assert_same_numbers(key, actual[key], row, STRATUM_COLUMNS[1:])
            elif name == "fct_covariate_moments":
                assert actual[key]["n_units"] == row["n_units"], key
                assert_same_numbers(key, actual[key], row, ["mean"])
                assert (actual[key]["covariance"] is None) == (row["covariance"] is None), key
                if row["covariance"] is not None:
                    apart = abs(actual[key]["covariance"] - float(row["covariance"]))
                    assert apart <= 1e-9 * abs(float(row["covariance"])) + 1e-12 * row["scale"], key
            elif name == "fct_day_moments":
                assert actual[key]["n_units"] == row["n_units"], key
                assert_same_numbers(key, actual[key], row, ["mean", "covariance"])
            else:
                assert {column: actual[key][column] for column in row} == row, (name, key)


def by_key(frame: pd.DataFrame, keys: list[str]) -> dict[Key, dict[str, Any]]:
    frame = frame.assign(as_of_date=frame["as_of_date"].dt.date)
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    found = {tuple(row[key] for key in keys): row for row in rows}
    assert len(found) == len(rows), "a key is there twice"
    return found


def counts_anybody(row: dict[str, Any]) -> bool:
    return bool(row["n_units"] or row["n_overflow"] or row["n_not_computed"])


def assert_same_moments(key: Key, actual: dict[str, Any], expected: dict[str, Any]) -> None:
    for column in ("n_units", "n_overflow", "n_not_computed"):
        assert actual[column] == expected[column], (key, column)
    cohort = actual["last_cohort_date"]
    assert (cohort.date() if cohort is not None else None) == expected["last_cohort_date"], key
    assert_same_numbers(key, actual, expected, NUMBERS)


def assert_same_numbers(key: Key, actual: dict[str, Any], expected: dict[str, Any], columns: Iterable[str]) -> None:
    for column in columns:
        found, wanted = actual[column], expected.get(column)
        assert (found is None) == (wanted is None), (key, column, found, wanted)
        if wanted is not None:
            assert not isnan(found), (key, column)
            assert abs(found - float(wanted)) <= tolerance(column, expected), (key, column, found, float(wanted))


def tolerance(column: str, expected: dict[str, Any]) -> float:
    """1e-9 of the value, and of the scale on which it was computed where it may be a difference of larger terms."""
    relative = 1e-9 * abs(float(expected[column]))
    if column == "third_central_moment":
        return relative + expected["third_rounding"]
    if column == "covariance":
        return relative + 1e-9
    if column in COVARIANCES:
        left, right = COVARIANCES[column]
        scale = float(expected[left] or 0) ** 0.5 * (float(expected[right] or 0) ** 0.5 if right else 1)
        return relative + 1e-12 * scale
    return relative
