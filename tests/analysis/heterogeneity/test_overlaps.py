"""Pairs of experiments over shared units, against units by statsmodels and scipy; one pair found among many."""

from datetime import date
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from analysis.heterogeneity.columns import OVERLAP_COLUMNS
from analysis.heterogeneity.overlaps import DEPENDENT, NOTHING_SHARED, overlaps
from configs.schema import Experiment
from tests.analysis.heterogeneity.examples import NOT_BLOCKED, make_experiment

KEYS = {"as_of_date": date(2026, 10, 21), "experiment_id": "checkout", "other_experiment_id": "search"}


def make(id_: str, variants: tuple[str, ...] = ("control", "treatment")) -> Experiment:
    arms = [{"id": name, "weight": 1 / len(variants), "baseline": name == "control"} for name in variants]
    return make_experiment(id_, variants=arms)


def cells_of(units: pd.DataFrame, is_ratio: bool = False, **keys: Any) -> pd.DataFrame:
    """fct_overlap_moments of units with `variant_id`, `other_variant_id`, `y` and `x`."""
    rows = []
    for (variant, other), some in units.groupby(["variant_id", "other_variant_id"]):
        # Of ratios that of y - R·x, as in the table.
        linear = some["y"] - some["y"].mean() / some["x"].mean() * some["x"] if is_ratio else some["y"]
        third = ((linear - linear.mean()) ** 3).mean()
        moments = {"n_units": len(some), "mean": some["y"].mean(), "variance": some["y"].var()}
        moments["third_central_moment"] = third
        denominator = (some["x"].mean(), some["x"].var(), some["x"].cov(some["y"])) if is_ratio else (np.nan,) * 3
        names = ("denominator_mean", "denominator_variance", "denominator_covariance")
        rows.append(
            {"variant_id": variant, "other_variant_id": other} | moments | dict(zip(names, denominator, strict=True))
        )
    return pd.DataFrame(rows).assign(**(KEYS | {"metric_id": "revenue"} | keys))


def draw(seed: int, n: int, together: float, others: tuple[str, ...] = ("control", "treatment")) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    variant, other = rng.choice(["control", "treatment"], n), rng.choice(others, n)
    both = (variant == "treatment") & (other == "treatment")
    x = 1.0 + rng.poisson(2, n)
    y = rng.normal(0, 2, n) + (variant == "treatment") + 2 * (other == "treatment") + together * both + x
    return pd.DataFrame({"variant_id": variant, "other_variant_id": other, "y": y, "x": x})


def test_two_by_two_is_the_difference_of_differences() -> None:
    units = draw(1, 400, 1.0)
    row = overlaps(cells_of(units), {"checkout": make("checkout"), "search": make("search")}, NOT_BLOCKED).iloc[0]
    fit = smf.ols("y ~ (variant_id == 'treatment') * (other_variant_id == 'treatment')", units).fit(cov_type="HC2")
    assert row["interaction"] == pytest.approx(fit.params.iloc[-1], rel=1e-9)
    assert row["interaction_se"] == pytest.approx(fit.bse.iloc[-1], rel=1e-9)
    # With one degree of freedom the test is that of this difference.
    t = row["interaction"] / row["interaction_se"]
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(t), row["df_denominator"]), rel=1e-9)
    assert (row["df"], row["variant_id"], row["other_variant_id"]) == (1, "treatment", "treatment")
    assert (row["ci_low"] > 0) == (row["p_value"] < 0.05)
    table = pd.crosstab(units["variant_id"], units["other_variant_id"])
    peer = stats.chi2_contingency(table, correction=False)
    assert row["p_value_assignment"] == pytest.approx(peer.pvalue, rel=1e-9)


def test_more_variants_have_more_degrees_of_freedom_and_name_the_pair() -> None:
    others = ("control", "alpha", "treatment")
    units = draw(2, 6_000, 1.5, others)
    row = overlaps(cells_of(units), {"checkout": make("checkout"), "search": make("search", others)}, NOT_BLOCKED).iloc[
        0
    ]
    assert row["df"] == 2 and row["p_value"] < 1e-6
    assert (row["variant_id"], row["other_variant_id"]) == ("treatment", "treatment")
    assert row["interaction"] == pytest.approx(1.5, abs=0.6)


def test_a_ratio_is_tested_by_its_linearised_values() -> None:
    units = draw(3, 2_000, 0.0)
    experiments = {"checkout": make("checkout"), "search": make("search")}
    found = overlaps(cells_of(units, is_ratio=True), experiments, NOT_BLOCKED).iloc[0]
    ratio = units.groupby(["variant_id", "other_variant_id"])[["y", "x"]].transform("mean")
    linear = (units["y"] - ratio["y"] / ratio["x"] * units["x"]) / ratio["x"] + ratio["y"] / ratio["x"]
    plain = overlaps(cells_of(units.assign(y=linear)), experiments, NOT_BLOCKED).iloc[0]
    for name in ("interaction", "interaction_se", "p_value"):
        assert found[name] == pytest.approx(plain[name], rel=1e-9)


def test_two_interacting_experiments_are_found_among_forty() -> None:
    """780 pairs of 40 experiments over 20,000 units that are in all: one interacts by a fifth of a deviation."""
    rng = np.random.default_rng(4)
    n, many = 20_000, 40
    assigned = rng.random((n, many)) < 0.5
    y = rng.standard_normal(n) + assigned @ rng.normal(0, 0.05, many)
    y += 0.2 * (assigned[:, 7] & assigned[:, 23])
    parts = []
    for first, second in combinations(range(many), 2):
        cell = 2 * assigned[:, first] + assigned[:, second]
        count = np.bincount(cell, minlength=4)
        mean = np.bincount(cell, y, minlength=4) / count
        variance = (np.bincount(cell, y**2, minlength=4) - count * mean**2) / (count - 1)
        parts.append(
            pd.DataFrame({"n_units": count, "mean": mean, "variance": variance, "first": first, "second": second})
        )
    frame = pd.concat(parts, ignore_index=True)
    names = np.array(["control", "treatment"])
    cells = frame.assign(
        as_of_date=KEYS["as_of_date"],
        experiment_id=[f"e{number:02}" for number in frame["first"]],
        other_experiment_id=[f"e{number:02}" for number in frame["second"]],
        variant_id=np.tile(names[[0, 0, 1, 1]], len(parts)),
        other_variant_id=np.tile(names[[0, 1, 0, 1]], len(parts)),
        metric_id="revenue",
        **dict.fromkeys(
            ("third_central_moment", "denominator_mean", "denominator_variance", "denominator_covariance"), np.nan
        ),
    )
    found = overlaps(cells, {f"e{number:02}": make(f"e{number:02}") for number in range(many)}, NOT_BLOCKED)
    assert len(found) == 780
    best = found.sort_values("p_value").iloc[0]
    assert (best["experiment_id"], best["other_experiment_id"]) == ("e07", "e23")
    assert found["significant"].sum() == 1


def test_skewed_cells_of_unequal_size_are_named() -> None:
    units = draw(10, 4_000, 0.0)
    units = units.assign(y=np.exp(2 * units["y"]))
    rare = (units["variant_id"] == "treatment") & (units["other_variant_id"] == "treatment")
    units = units[~rare | (rare.cumsum() <= 40)]
    row = overlaps(cells_of(units), {"checkout": make("checkout"), "search": make("search")}, NOT_BLOCKED).iloc[0]
    assert "skewed" in row["reason"] and np.isfinite(row["p_value"])
    ratio = overlaps(
        cells_of(units, is_ratio=True), {"checkout": make("checkout"), "search": make("search")}, NOT_BLOCKED
    ).iloc[0]
    assert "skewed" in ratio["reason"]


def test_assignments_that_depend_on_each_other_are_named() -> None:
    units = draw(5, 2_000, 0.0)
    same = units["other_variant_id"].where(np.arange(2_000) % 3 > 0, units["variant_id"])
    row = overlaps(
        cells_of(units.assign(other_variant_id=same)),
        {"checkout": make("checkout"), "search": make("search")},
        NOT_BLOCKED,
    )
    assert (row["status"].iloc[0], row["reason"].iloc[0]) == ("confounded", DEPENDENT)


def test_a_block_of_either_experiment_holds() -> None:
    blocked = pd.DataFrame(
        [{**KEYS, "experiment_id": "search", "metric_id": "revenue", "status": "incomplete", "reason": "no logs"}]
    )
    cells = cells_of(draw(11, 400, 0.0))
    row = overlaps(cells, {"checkout": make("checkout"), "search": make("search")}, blocked).iloc[0]
    assert (row["status"], row["reason"]) == ("incomplete", "no logs")
    assert np.isnan([row["p_value"], row["interaction"]]).all()


def test_without_shared_variants_there_is_nothing_to_compare() -> None:
    units = draw(6, 500, 0.0).query("other_variant_id == 'control'")
    found = overlaps(cells_of(units), {"checkout": make("checkout"), "search": make("search")}, NOT_BLOCKED)
    assert found["reason"].tolist() == [NOTHING_SHARED] and found["p_value"].isna().all()
    missing = draw(7, 500, 0.0).query("other_variant_id == 'control' or variant_id == 'control'")
    found = overlaps(cells_of(missing), {"checkout": make("checkout"), "search": make("search")}, NOT_BLOCKED)
    assert found["p_value"].isna().all() and found["interaction"].isna().all()


def test_without_the_baseline_there_is_a_test_but_no_difference_from_it() -> None:
    others = ("control", "alpha", "treatment")
    units = draw(9, 1_000, 0.0, others).query("other_variant_id != 'control'")
    row = overlaps(cells_of(units), {"checkout": make("checkout"), "search": make("search", others)}, NOT_BLOCKED).iloc[
        0
    ]
    assert row["df"] == 1 and np.isfinite(row["p_value"])
    assert np.isnan(row["interaction"]) and row["variant_id"] == ""


def test_nothing_in_gives_typed_nothing_and_faults_are_named() -> None:
    cells = cells_of(draw(8, 100, 0.0))
    found = overlaps(cells, {"checkout": make("checkout")}, NOT_BLOCKED)
    assert found.empty and list(found) == list(OVERLAP_COLUMNS)
    experiments = {"checkout": make("checkout"), "search": make("search")}
    with pytest.raises(ValueError, match="overlap moments lack the columns variance"):
        overlaps(cells.drop(columns="variance"), experiments, NOT_BLOCKED)
    with pytest.raises(ValueError, match="hold a cell twice"):
        overlaps(pd.concat([cells, cells]), experiments, NOT_BLOCKED)
