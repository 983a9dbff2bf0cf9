"""A metric with several covariates: its rows against least squares on the units' values, and what is dropped."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from analysis.heterogeneity.build import heterogeneity
from analysis.scorecard import SCORECARD_COLUMNS, scorecard
from analysis.scorecard.covariates import with_covariates
from analysis.statistics.moments import JointMoments
from configs.covariates import further_terms
from configs.schema import Covariate, FurtherCovariate, Metric

VISITED = FurtherCovariate(name="visited", type="proportion", source="shop", event="visit")
PAGES = FurtherCovariate(name="pages", source="web", event="view")
TWICE = FurtherCovariate(name="twice", source="shop", event="purchase")
CONSTANT = FurtherCovariate(name="constant", source="shop", event="purchase")
OWN = ["before", "is_new"]
UNITS = {"control": 900, "treatment_1": 600}
ROLES = {"primary": ["revenue"], "secondary": ["basket", "conversion"]}


@pytest.fixture
def arms(units: Callable) -> dict[str, pd.DataFrame]:
    return {name: with_history(units(seed, n, 0.08 * (seed - 1))) for seed, (name, n) in enumerate(UNITS.items(), 1)}


def with_history(values: pd.DataFrame) -> pd.DataFrame:
    """What another source and another event know of the units before exposure; half of them have no pages."""
    rng = np.random.default_rng(len(values))
    no_pages = rng.random(len(values)) < 0.5
    return values.assign(
        visited=(values["revenue"] + rng.normal(0, 5, len(values)) > 10).astype(float),
        pages=np.where(no_pages, 0.0, rng.poisson(np.maximum(values["revenue"], 0.1)) + 1.0),
        no_pages=no_pages.astype(float),
        twice=2 * values["before"],
        constant=3.0,
    )


PLACES = {
    "covariate_variance": (2, 2),
    "covariate_covariance": (0, 2),
    "no_history_covariance": (0, 3),
    "covariate_no_history_covariance": (2, 3),
    "denominator_covariate_covariance": (1, 2),
    "denominator_no_history_covariance": (1, 3),
}
COLUMN = {"no history in web": "no_pages"}


@pytest.fixture
def card(arms: dict, metrics: dict, experiment: Callable, moments_of: Callable, not_blocked: pd.DataFrame) -> Callable:
    """The scorecard of revenue and the ratio with these further covariates, from moments as dbt would compute them."""

    def build(*further: FurtherCovariate, lacking: bool = False, of: dict | None = None, **analysis) -> pd.DataFrame:
        own = {"revenue": metrics["revenue"], "basket": metrics["basket"]}
        update = {"covariate": Covariate(lookback_days=14, further=further)}
        defined = metrics | {id_: metric.model_copy(update=update) for id_, metric in own.items()}
        moments = with_ratio_covariate(moments_of(of or arms), of or arms)
        if further and not lacking:
            moments = with_covariates(moments, covariate_rows(moments, of or arms, defined), defined)
        subject = experiment(roles=ROLES, **analysis)
        return scorecard(moments, {"checkout": subject}, defined, not_blocked).set_index("metric_id")

    return build


def with_ratio_covariate(moments: pd.DataFrame, arms: dict) -> pd.DataFrame:
    for variant, values in arms.items():
        joint = JointMoments.from_values(*(values[name] for name in ("revenue", "orders", *OWN))).covariance
        rows = (moments["metric_id"] == "basket") & (moments["variant_id"] == variant)
        for name, at in PLACES.items():
            moments.loc[rows, name] = joint[at]
        moments.loc[rows, ["covariate_mean", "no_history_share"]] = values[OWN].mean().to_numpy()
    return moments


def covariate_rows(moments: pd.DataFrame, arms: dict, metrics: dict[str, Metric]) -> pd.DataFrame:
    """The rows of fct_covariate_moments."""
    rows = []
    for row in moments.to_dict("records"):
        metric, values = metrics[row["metric_id"]], arms[row["variant_id"]]
        own = {"own value": "revenue", "own covariate": "before", "own no history": "is_new"}
        own |= {"own denominator": "orders"} if metric.type == "ratio" else {}
        terms = [term.name for term in further_terms(metric)]
        for at, term in enumerate(terms):
            others = own | {name: COLUMN.get(name, name) for name in terms[: at + 1]}
            x = values[COLUMN.get(term, term)]
            keys = {name: row[name] for name in ("as_of_date", "experiment_id", "variant_id", "metric_id",
                                                 "segment_name", "segment_value")}  # fmt: skip
            rows += [
                {
                    **keys,
                    "covariate": term,
                    "other": other,
                    "mean": x.mean(),
                    "covariance": np.cov(x, values[name])[0, 1],
                }
                for other, name in others.items()
            ]
    return pd.DataFrame(rows)


def pooled(arms: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, np.ndarray]:
    values = pd.concat(arms.values(), ignore_index=True)
    return values, np.repeat([0.0, 1.0], [len(arm) for arm in arms.values()])


def test_several_covariates_are_ancova_with_the_hc2_error_of_adjusted_values(card, arms):
    row = card(VISITED, PAGES).loc["revenue"]
    values, treated = pooled(arms)
    names = [*OWN, "visited", "pages", "no_pages"]
    fit = sm.OLS(values["revenue"], sm.add_constant(np.column_stack([treated, values[names]]))).fit()
    adjusted = values["revenue"] - values[names] @ fit.params[2:].to_numpy()
    error = sm.OLS(adjusted, sm.add_constant(treated)).fit(cov_type="HC2")

    assert (row["method"], row["status"], row["reason"]) == ("welch_cuped", "ok", "")
    assert row["effect"] == pytest.approx(fit.params.iloc[1], rel=1e-9)
    assert row["effect_se"] == pytest.approx(error.bse.iloc[1], rel=1e-9)
    assert row["variance_reduction"] > card().loc["revenue", "variance_reduction"] + 0.05
    assert row["baseline_mean"] == pytest.approx(arms["control"]["revenue"].mean(), rel=1e-12)


def test_slopes_per_arm_are_interacted_least_squares(card, arms):
    row = card(VISITED, PAGES, adjustment="lin").loc["revenue"]
    values, treated = pooled(arms)
    centred = (
        values[[*OWN, "visited", "pages", "no_pages"]] - values[[*OWN, "visited", "pages", "no_pages"]].mean()
    ).to_numpy()
    design = sm.add_constant(np.column_stack([treated, centred, centred * treated[:, None]]))
    fit = sm.OLS(values["revenue"].to_numpy(), design).fit(cov_type="HC2")
    gap = fit.params[7:]
    of_means = gap @ np.cov(centred.T) @ gap / len(values)

    assert row["method"] == "welch_lin"
    assert row["effect"] == pytest.approx(fit.params[1], rel=1e-9)
    assert row["effect_se"] == pytest.approx(np.sqrt(fit.bse[1] ** 2 + of_means), rel=0.02)


def test_a_ratio_is_adjusted_by_the_slopes_of_its_linearised_values(card, arms):
    row = card(VISITED, PAGES).loc["basket"]
    names = [*OWN, "visited", "pages", "no_pages"]
    ratios, linear, centred = {}, [], []
    for arm, values in arms.items():
        ratios[arm] = values["revenue"].mean() / values["orders"].mean()
        linear.append((values["revenue"] - ratios[arm] * values["orders"]) / values["orders"].mean())
        centred.append(values[names] - values[names].mean())
    theta = np.linalg.lstsq(np.concatenate(centred), np.concatenate(linear), rcond=None)[0]
    gap = arms["treatment_1"][names].mean() - arms["control"][names].mean()
    variance = sum((y - x @ theta).var(ddof=1) / len(y) for y, x in zip(linear, centred, strict=True))

    assert (row["method"], row["status"]) == ("delta_ratio_cuped", "ok")
    assert row["effect"] == pytest.approx(ratios["treatment_1"] - ratios["control"] - gap @ theta, rel=1e-8)
    assert row["effect_se"] == pytest.approx(np.sqrt(variance), rel=1e-8)


@pytest.mark.parametrize("adjustment", ["cuped", "lin"])
@pytest.mark.parametrize("useless", [TWICE, CONSTANT])
def test_a_useless_covariate_is_dropped_by_name_and_changes_nothing(card, adjustment, useless):
    with_it, without = card(useless, VISITED, adjustment=adjustment), card(VISITED, adjustment=adjustment)

    for metric in ("revenue", "basket"):
        row = with_it.loc[metric]
        assert row["status"] == "fewer_covariates"
        assert row["reason"].startswith(f"without {useless.name}: constant, or what other covariates say already")
        assert row["effect"] == pytest.approx(without.loc[metric, "effect"], rel=1e-12)
        assert row["effect_se"] == pytest.approx(without.loc[metric, "effect_se"], rel=1e-12)


def test_units_too_few_for_all_covariates_leave_an_unadjusted_row_that_says_so(card, arms):
    few = {name: values.iloc[:6] for name, values in arms.items()}
    row = card(VISITED, PAGES, of=few, adjustment="lin").loc["revenue"]
    plain = card(VISITED, PAGES, of=few, covariate_adjustment=False).loc["revenue"]

    assert row["reason"].startswith("without its own value before exposure, visited, pages: ")
    assert (row["effect"], row["effect_se"]) == pytest.approx((plain["effect"], plain["effect_se"]), rel=1e-12)


def test_without_their_moments_nothing_is_adjusted(card):
    row = card(VISITED, lacking=True).loc["revenue"]

    assert (row["method"], row["status"]) == ("welch", "no_covariate")
    assert row["effect_se"] == card(covariate_adjustment=False).loc["revenue", "effect_se"]


def test_other_metrics_keep_every_digit(card):
    with_them, without = (card(*further).loc[["conversion"]] for further in ((VISITED, PAGES), ()))
    pd.testing.assert_frame_equal(with_them, without, check_exact=True)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("always_valid", {}),
        ("group_sequential", {"group_sequential": {"looks": ["2026-10-08", "2026-10-21"], "planned_units": 4500}}),
        ("bayesian", {}),
    ],
)
def test_every_method_stands_on_the_adjusted_effect(card, arms, method, options):
    many = {name: pd.concat([values] * 3, ignore_index=True) for name, values in arms.items()}
    fixed = card(VISITED, PAGES, of=many).loc["revenue"]
    row = card(VISITED, PAGES, of=many, method=method, **options).loc["revenue"]
    narrower = card(of=many, method=method, **options).loc["revenue"]

    assert row["method"] == f"welch_cuped {method}"
    for name in ("effect", "effect_se", "variance_reduction"):
        assert row[name] == fixed[name]
    if np.isfinite(row["ci_low"]):
        assert row["ci_high"] - row["ci_low"] < narrower["ci_high"] - narrower["ci_low"]


def test_segments_are_adjusted_and_tested_with_their_own_moments(arms, metrics, experiment, moments_of, not_blocked):
    update = {"covariate": Covariate(lookback_days=14, further=(VISITED, PAGES))}
    defined = metrics | {"revenue": metrics["revenue"].model_copy(update=update)}
    parts = {
        ("country", place): {name: values.iloc[half::2] for name, values in arms.items()}
        for half, place in enumerate(("DE", "FR"))
    }
    frames, rows = [], []
    for segment, own in ((("all", "all"), arms), *parts.items()):
        frame = moments_of(own, segment=segment)
        frames.append(frame)
        rows.append(covariate_rows(frame, own, defined))
    moments = with_covariates(pd.concat(frames, ignore_index=True), pd.concat(rows, ignore_index=True), defined)
    subject = {"checkout": experiment(roles=ROLES).model_copy(update={"segments": ("country",)})}
    card = scorecard(moments, subject, defined, not_blocked)
    found = card[card["metric_id"] == "revenue"].set_index("segment_value")
    for (_, place), own in parts.items():
        values, treated = pooled(own)
        design = sm.add_constant(np.column_stack([treated, values[[*OWN, "visited", "pages", "no_pages"]]]))
        fit = sm.OLS(values["revenue"].to_numpy(), design).fit()
        assert found.loc[place, "effect"] == pytest.approx(fit.params[1], rel=1e-9)
    tests = heterogeneity(card[list(SCORECARD_COLUMNS)], moments, subject, defined).interactions
    own = tests[tests["metric_id"] == "revenue"].iloc[0]
    assert (own["method"], own["n_used"]) == ("wald", 2)
    assert 0 < own["p_value"] <= 1
