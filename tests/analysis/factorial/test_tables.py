"""What is published of factorial experiments, from cells whose effects are plain to see."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.factorial.columns import EFFECT_COLUMNS, TERM_COLUMNS
from analysis.factorial.tables import factorial_effects, factorial_terms
from tests.analysis.factorial.examples import CELLS, METRICS, crossed, moments, scorecard

SE, DF = 0.2, 396  # √(4 cells · ¼ · 4/100), and 4 · 99


def test_main_effects_and_their_interaction_by_hand() -> None:
    experiment = crossed()
    found = factorial_effects(scorecard(experiment), moments("clicks", CELLS), {"button": experiment}, METRICS)
    assert list(found.columns) == list(EFFECT_COLUMNS)
    assert found[["term", "levels", "baseline_levels", "n_units", "status"]].to_numpy().tolist() == [
        ["colour", "blue", "red", 400, "ok"],
        ["size", "large", "small", 400, "ok"],
        ["colour:size", "blue:large", "red:small", 400, "ok"],
    ]
    # Means are 1.5 of red and 4.5 of blue, 2 of small and 4 of large; large adds 1 to red, 3 to blue: half of 2 is 1.
    np.testing.assert_allclose(found["effect"], [3, 2, 1])
    np.testing.assert_allclose(found["effect_se"], SE)
    np.testing.assert_allclose(found["baseline_mean"], [1.5, 2, np.nan])
    np.testing.assert_allclose(found["treatment_mean"], [4.5, 4, np.nan])
    np.testing.assert_allclose(found["effect_relative"], [2, 1, np.nan])
    p = 2 * stats.t.sf(np.array([3, 2, 1]) / SE, DF)
    np.testing.assert_allclose(found["p_value"], p, rtol=1e-9)
    np.testing.assert_allclose(found["ci_low"], np.array([3, 2, 1]) - stats.t.isf(0.025, DF) * SE)
    # Holm over the two main effects; the interaction is a family of its own.
    np.testing.assert_allclose(found["p_value_adjusted"], [2 * p[0], p[1], p[2]], rtol=1e-9)
    assert found["significant"].all()


def test_the_table_of_terms_is_the_same_tests_squared() -> None:
    experiment = crossed()
    given = scorecard(experiment), moments("clicks", CELLS), {"button": experiment}, METRICS
    effects, terms = factorial_effects(*given), factorial_terms(*given)
    assert list(terms.columns) == list(TERM_COLUMNS)
    np.testing.assert_allclose(terms["f"], (effects["effect"] / effects["effect_se"]) ** 2)
    np.testing.assert_allclose(terms["p_value"], effects["p_value"], rtol=1e-9)
    # Of equal cells both types agree: 100 units × 4 cells × (effect/2)².
    np.testing.assert_allclose(terms["sum_of_squares_ii"], [900, 400, 100])
    np.testing.assert_allclose(terms["sum_of_squares_iii"], [900, 400, 100])
    np.testing.assert_allclose(terms["residual_sum_of_squares"], 4 * 99 * 4)


def test_only_the_interactions_that_are_named_are_reported() -> None:
    factors = {"a": ("0", "1"), "b": ("0", "1"), "c": ("0", "1")}
    experiment = crossed(factors=factors, interactions=[["c", "a"], ["a", "b", "c"]])
    cells = {variant.id: 1.0 for variant in experiment.variants}
    found = factorial_effects(scorecard(experiment), moments("clicks", cells), {"button": experiment}, METRICS)
    assert list(found["term"]) == ["a", "b", "c", "a:c", "a:b:c"]
    assert len(factorial_terms(scorecard(experiment), moments("clicks", cells), {"button": experiment}, METRICS)) == 7


def test_an_effect_of_a_fraction_names_its_aliases_and_has_no_table() -> None:
    factors = {"a": ("0", "1"), "b": ("0", "1"), "c": ("0", "1")}
    experiment = crossed(factors=factors, fraction=["c = -a*b"])
    cells = {"0-0-0": 1.0, "0-1-1": 4.0, "1-0-1": 4.0, "1-1-0": 1.0}
    assert {variant.id for variant in experiment.variants} == set(cells)
    given = scorecard(experiment), moments("clicks", cells), {"button": experiment}, METRICS
    found = factorial_effects(*given)
    assert list(found["aliases"]) == ["-b:c", "-a:c", "-a:b"]
    np.testing.assert_allclose(found["effect"], [0, 0, 3], atol=1e-12)
    assert found["reason"].iloc[2] == "with -a:b: the estimate is of their sum"
    assert set(factorial_terms(*given)["status"]) == {"aliased"}


def test_a_ratio_is_one_of_cell_means() -> None:
    experiment = crossed(primary=["basket"])
    # Every cell: numerator mean as given, denominator mean 2 with variance 1, covariance ½.
    rows = moments("basket", CELLS).assign(denominator_mean=2.0, denominator_variance=1.0, denominator_covariance=0.5)
    found = factorial_effects(scorecard(experiment), rows, {"button": experiment}, METRICS)
    np.testing.assert_allclose(found["effect"], np.array([3, 2, 1]) / 2)
    ratios = np.array(list(CELLS.values())) / 2
    variance = (4 - 2 * ratios * 0.5 + ratios**2) / 4
    np.testing.assert_allclose(found["effect_se"], np.sqrt((variance / 100 / 4).sum()))
    assert set(found["method"]) == {"delta_contrast"}


def test_what_the_scorecard_could_not_use_is_not_used_here() -> None:
    experiment = crossed(secondary=["views"])
    rows = scorecard(experiment)
    blocked = rows["metric_id"] == "views"
    rows.loc[blocked, "status"], rows.loc[blocked, "reason"] = "incomplete", "logs of s (2026-09-03) are missing"
    both = pd.concat([moments("clicks", CELLS), moments("views", CELLS)])
    found = factorial_effects(rows, both, {"button": experiment}, METRICS)
    of_views = found[found["metric_id"] == "views"]
    assert set(of_views["status"]) == {"incomplete"} and of_views[["effect", "p_value", "n_units"]].isna().all(
        axis=None
    )
    assert set(of_views["reason"]) == {"logs of s (2026-09-03) are missing"}
    assert (found[found["metric_id"] == "clicks"]["status"] == "ok").all()


@pytest.mark.parametrize(
    ("cells", "status", "words"),
    [
        ({"red-small": 1.0, "red-large": 2.0, "blue-small": 3.0}, "no_units", "blue-large"),
        (CELLS | {"blue-large": float("nan")}, "not_computed", "missing"),
    ],
)
def test_no_effect_does_without_a_cell(cells: dict[str, float], status: str, words: str) -> None:
    experiment = crossed()
    given = scorecard(experiment), moments("clicks", cells), {"button": experiment}, METRICS
    for found in (factorial_effects(*given), factorial_terms(*given)):
        assert set(found["status"]) == {status} and found["p_value"].isna().all()
        assert found["reason"].str.contains(words).all()


def test_a_quantile_has_rows_that_say_why_there_are_no_effects() -> None:
    experiment = crossed(secondary=["median"])
    both = pd.concat([moments("clicks", CELLS), moments("median", CELLS)])
    found = factorial_effects(scorecard(experiment), both, {"button": experiment}, METRICS)
    rows = found[found["metric_id"] == "median"]
    assert set(rows["status"]) == {"failed"} and rows["reason"].str.contains("quantile has no means").all()


def test_a_project_without_factors_has_no_rows() -> None:
    assert factorial_effects(scorecard(crossed()), moments("clicks", CELLS), {}, METRICS).empty
