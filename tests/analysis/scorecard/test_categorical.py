"""Categorical metrics on the scorecard: from counts per category to rows, beside metrics of other kinds."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.decisions.monitor import rollback_monitor
from analysis.scorecard import SCORECARD_COLUMNS, scorecard
from configs.schema import Experiment, Metric

ROLES = {"primary": ["orders"], "secondary": ["method", "visits"]}
CATEGORIES = ("card", "paypal", "other", "none")
COUNTS = {"control": [50, 30, 0, 20], "treatment_1": [60, 50, 0, 90], "treatment_2": [25, 15, 0, 10]}
UNDIRECTED = "the effect is the share of units in another category: no direction, so no interval and no relative effect"


@pytest.fixture
def shop() -> dict[str, Metric]:
    purchase = {"source": "shop", "event": "purchase"}
    definitions: list[dict[str, Any]] = [
        {"id": "method", "type": "categorical", **purchase, "property": "method", "categories": ["card", "paypal"]},
        {"id": "orders", "type": "mean", **purchase, "aggregate": "count"},
        {"id": "visits", "type": "mean", **purchase, "aggregate": "count"},
    ]
    return {definition["id"]: Metric.model_validate(definition) for definition in definitions}


def keys(metric_id: str, variant: str, segment: tuple[str, str] = ("all", "all")) -> dict[str, Any]:
    return {
        "as_of_date": date(2026, 10, 21),
        "experiment_id": "checkout",
        "variant_id": variant,
        "metric_id": metric_id,
        "segment_name": segment[0],
        "segment_value": segment[1],
    }


def moments(counts: dict[str, list[int]], segment: tuple[str, str]) -> pd.DataFrame:
    """Of means 1 and 1.05 with variance 1, so that only their numbers of units matter here; categories have none."""
    absent = [
        "covariate_mean", "covariate_variance", "covariate_covariance", "no_history_share", "no_history_covariance",
        "covariate_no_history_covariance", "denominator_mean", "denominator_variance", "denominator_covariance",
    ]  # fmt: skip
    rows = []
    for metric_id in ("method", "orders", "visits"):
        for number, (variant, units) in enumerate(counts.items()):
            has_mean = metric_id != "method"
            own = {"mean": 1 + 0.05 * number, "variance": 1.0, "third_central_moment": 0.0} if has_mean else {}
            fixed = {"n_overflow": 0, "n_not_computed": 0, "last_cohort_date": date(2026, 10, 14), "metric_hash": "0a"}
            rows.append(
                dict.fromkeys([*absent, "mean", "variance", "third_central_moment"], np.nan)
                | keys(metric_id, variant, segment)
                | {"n_units": sum(units)}
                | own
                | fixed
            )
    return pd.DataFrame(rows)


def category_counts(counts: dict[str, list[int]], segment: tuple[str, str] = ("all", "all")) -> pd.DataFrame:
    rows = [
        {**keys("method", variant, segment), "category": category, "position": position, "n_units": n}
        for variant, units in counts.items()
        for position, (category, n) in enumerate(zip(CATEGORIES, units, strict=True), start=1)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=1)


@pytest.fixture
def card(
    shop: dict[str, Metric], experiment: Callable[..., Experiment], not_blocked: pd.DataFrame
) -> Callable[..., pd.DataFrame]:
    """The scorecard of these counts, indexed by metric and treatment."""

    def build(
        counts: dict[str, list[int]] | None = None,
        table: pd.DataFrame | None = None,
        segment: tuple[str, str] = ("all", "all"),
        blocked: pd.DataFrame | None = None,
        **analysis: Any,
    ) -> pd.DataFrame:
        own = counts or COUNTS
        config = {"checkout": experiment(len(own) - 1, ROLES, **analysis)}
        frame = scorecard(
            moments(own, segment),
            config,
            shop,
            not_blocked if blocked is None else blocked,
            categories=category_counts(own, segment) if table is None else table,
        )
        assert list(frame.columns) == list(SCORECARD_COLUMNS)
        return frame[frame["segment_name"] == segment[0]].set_index(["metric_id", "variant_id"])

    return build


def test_each_treatment_is_tested_against_the_baseline(card: Callable[..., pd.DataFrame]) -> None:
    """Half of |.3 − .5| + |.25 − .3| + |.45 − .2| = .25; the twice rarer arm has other shares and another distance."""
    rows = card().loc["method"]

    assert rows.loc["treatment_1", "effect"] == pytest.approx((0.2 + 0.05 + 0.25) / 2)
    assert rows.loc["treatment_2", "effect"] == pytest.approx(0.0)
    for variant in ("treatment_1", "treatment_2"):
        table = np.array([COUNTS["control"], COUNTS[variant]])[:, [0, 1, 3]]
        assert rows.loc[variant, "p_value"] == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
        assert rows.loc[variant, "n_treatment"] == sum(COUNTS[variant])
    assert set(rows["status"]) == {"ok"}
    assert set(rows["reason"]) == {UNDIRECTED}
    assert set(rows["method"]) == {"chi_squared"}


def test_what_needs_a_direction_or_an_interval_is_empty(card: Callable[..., pd.DataFrame]) -> None:
    row = card().loc[("method", "treatment_1")]

    empty = [
        *("baseline_mean", "treatment_mean", "effect_se", "ci_low", "ci_high", "ci_low_adjusted", "ci_high_adjusted"),
        *("effect_relative", "relative_ci_low", "relative_ci_high", "p_value_improvement", "p_value_deterioration"),
        *("p_value_non_inferiority", "confidence_level_adjusted", "margin", "effect_se_pooled"),
    ]
    assert row[empty].isna().all()


def test_it_is_corrected_with_the_other_secondaries(card: Callable[..., pd.DataFrame]) -> None:
    """Four p-values of secondaries: Bonferroni multiplies each by four, whatever the kind of metric."""
    rows = card(correction="bonferroni")

    for metric_id in ("method", "visits"):
        expected = np.minimum(1, 4 * rows.loc[metric_id, "p_value"])
        assert rows.loc[metric_id, "p_value_adjusted"].to_numpy() == pytest.approx(expected.to_numpy())
    assert rows.loc[("method", "treatment_1"), "significant"]
    assert not rows.loc[("method", "treatment_2"), "significant"]


def test_a_sparse_table_says_so(card: Callable[..., pd.DataFrame]) -> None:
    """Two of six cells expect 1.5 units: more than a fifth of them below 5."""
    rows = card({"control": [50, 1, 0, 49], "treatment_1": [48, 2, 0, 50]})

    row = rows.loc[("method", "treatment_1")]
    assert row["status"] == "sparse"
    assert row["reason"].startswith("sparse: too many categories expect fewer than 5 units")
    assert 0 < row["p_value"] < 1


def test_segments_are_exploratory_and_a_family_of_their_own(card: Callable[..., pd.DataFrame]) -> None:
    row = card(segment=("country", "DE")).loc[("method", "treatment_1")]

    assert row["reason"] == f"exploratory: a segment; {UNDIRECTED}"
    assert row["p_value"] < 1e-3


def test_one_category_is_nothing_to_compare(card: Callable[..., pd.DataFrame]) -> None:
    row = card({"control": [0, 0, 0, 40], "treatment_1": [0, 0, 0, 30]}).loc[("method", "treatment_1")]

    assert (row["status"], row["reason"]) == (
        "zero_variance",
        "all units are in one category, so there is nothing to compare",
    )
    assert np.isnan(row["effect"])


def test_an_arm_without_units_has_no_comparison(card: Callable[..., pd.DataFrame]) -> None:
    row = card({"control": [4, 3, 2, 1], "treatment_1": [0, 0, 0, 0]}).loc[("method", "treatment_1")]

    assert row["status"] == "no_units"
    assert np.isnan(row["p_value"])


def test_counts_that_are_not_the_metric_s_units_are_refused(card: Callable[..., pd.DataFrame]) -> None:
    counts = category_counts(COUNTS)
    lost = counts[(counts["variant_id"] != "control") | (counts["category"] != "card")]

    for table in (lost, counts.iloc[:0]):
        rows = card(table=table).loc["method"]
        assert set(rows["status"]) == {"failed"}
        assert rows["reason"].str.contains("build fct_category_counts again").all()
        assert rows[["effect", "p_value", "p_value_adjusted"]].isna().all(axis=None)


def test_blocked_data_show_no_number(card: Callable[..., pd.DataFrame]) -> None:
    day = pd.Timestamp(date(2026, 10, 21))
    blocked = pd.DataFrame(
        [(day, "checkout", "method", "incomplete", "no log of 2026-10-20")],
        columns=["as_of_date", "experiment_id", "metric_id", "status", "reason"],
    )

    rows = card(blocked=blocked).loc["method"]

    assert set(rows["status"]) == {"incomplete"}
    assert rows[["effect", "p_value", "n_baseline"]].isna().all(axis=None)


def test_the_rollback_monitor_watches_metrics_with_a_worse_way_only(
    card: Callable[..., pd.DataFrame], shop: dict[str, Metric], experiment: Callable[..., Experiment]
) -> None:
    frame = card().reset_index()

    monitored = rollback_monitor(frame, {"checkout": experiment(2, ROLES)}, shop)

    assert set(monitored["metric_id"]) == {"orders", "visits"}
