"""Difference in differences: panels that can be counted by hand, and the figures that did2s's documentation prints."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.quasi.difference_in_differences import difference_in_differences
from analysis.quasi.pyfixest_models import pyfixest
from analysis.quasi.staggered import comparable, smaller_side_df
from analysis.quasi.study import ASSUMPTION_FAILED, NO_COMPARISON, NOT_BEGUN, TOO_FEW_GROUPS, ZERO_VARIANCE

NEVER = 99


def panel(adoption, n_days=12, effect=2.0, noise=0.1, seed=1):
    """Groups of different levels with a common wave; `effect` from adoption on."""
    adoption = np.array(adoption)
    rng = np.random.default_rng(seed)
    levels, days = np.arange(len(adoption))[:, None] * 5.0, np.arange(n_days)
    is_treated = days >= adoption[:, None]
    return levels + np.sin(days) + effect * is_treated + noise * rng.standard_normal((len(adoption), n_days)), adoption


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    """`df_het` of R's did2s, which pyfixest ships: 1,500 units in 40 states, adopting in 2000, 2010 or never."""
    return pd.read_csv(Path(pyfixest().__file__).parent / "did" / "data" / "df_het.csv")


def test_two_stage_figures_are_those_of_the_documentation_of_did2s(published):
    """github.com/kylebutts/did2s, README, "static": 2.152 (0.0476)."""
    fit = pyfixest().did2s(
        published,
        yname="dep_var",
        first_stage="~ 0 | state + year",
        second_stage="~ i(treat, ref=False)",
        treatment="treat",
        cluster="state",
    )
    assert fit.coef().item() == pytest.approx(2.152, abs=5e-4)
    assert fit.se().item() == pytest.approx(0.0476, abs=5e-5)


@pytest.mark.slow
def test_the_published_panel_has_the_effect_that_it_was_drawn_with(published):
    wide = published.pivot_table(index="unit", columns="year", values="dep_var")
    adoption = published.groupby("unit")["g"].first().reindex(wide.index).to_numpy()
    study = difference_in_differences(
        wide.to_numpy(), np.where(adoption == 0, NEVER, adoption - 1990).astype(np.int64), 5
    )
    treated = published[published["treat"]]
    truth = (treated["te"] + treated["te_dynamic"]).mean()

    assert abs(study.effect.effect - truth) < 2 * study.effect.se
    assert study.effect.se < 0.03
    by_days = {one.days: one.effect for one in study.estimates if one.kind == "event_study"}
    true_start = treated[treated["rel_year"] < 5]
    assert by_days["0 to 4"] == pytest.approx((true_start["te"] + true_start["te_dynamic"]).mean(), abs=0.15)


def test_without_noise_the_effect_is_exact_to_rounding():
    value, adoption = panel([4, 4, 7, 7, NEVER, NEVER], noise=0.0)
    value[:, 0] += [0.1, -0.1, 0.1, -0.1, 0.1, -0.1]  # something has to vary
    study = difference_in_differences(value, adoption, 7)

    assert study.effect.effect == pytest.approx(2.0, abs=0.05)
    assert (study.effect.n_treatment, study.effect.n_baseline, study.effect.df) == (4, 2, 1)
    assert study.effect.baseline_mean == pytest.approx(study.effect.treatment_mean - study.effect.effect)


def test_growing_effects_mislead_two_way_fixed_effects_alone():
    value, adoption = panel([4] * 6 + [8] * 6 + [NEVER] * 6, n_days=16, effect=0.0)
    since = np.arange(16) - adoption[:, None]
    grown = np.where(since >= 0, 1.0 * (since + 1), 0.0)
    truth = grown[since >= 0].mean()
    study = difference_in_differences(value + grown, adoption, 4)
    two_way = next(one for one in study.estimates if one.kind == "two_way_fixed_effects")

    assert study.effect.effect == pytest.approx(truth, abs=0.1)
    assert two_way.effect < truth - 0.5
    assert two_way.status == "for_comparison" and "for comparison only" in two_way.reason


def test_a_drift_before_adoption_stands_beside_the_estimate():
    value, adoption = panel([8] * 6 + [NEVER] * 6, n_days=16)
    value[:6] += 0.3 * np.arange(16)
    study = difference_in_differences(value, adoption, 4).judged()
    passed = {check.name: check.passed for check in study.checks}

    assert passed == {"enough_groups": True, "pre_trend": False, "leads": False, "placebo_adoption": False}
    assert study.effect.status == ASSUMPTION_FAILED
    assert study.effect.reason == "assumptions that fail: pre_trend, leads, placebo_adoption"
    assert "+0.29 a day" in next(check.message for check in study.checks if check.name == "pre_trend")


@pytest.mark.parametrize(
    ("adoption", "status"),
    [
        ([NEVER] * 6, NOT_BEGUN),
        ([5] * 6, NO_COMPARISON),
        ([5] + [NEVER] * 6, TOO_FEW_GROUPS),
        ([5] * 6 + [NEVER], TOO_FEW_GROUPS),
        ([0] * 6, NO_COMPARISON),
    ],
)
def test_what_cannot_be_compared_has_no_number(adoption, status):
    study = difference_in_differences(*panel(adoption), 7)

    assert study.effect.status == status and study.effect.reason
    assert np.isnan(study.effect.effect) and np.isnan(study.effect.p_value)


def test_groups_without_noise_have_no_standard_error():
    study = difference_in_differences(np.zeros((6, 10)), np.array([5, 5, 5, NEVER, NEVER, NEVER]), 7)
    assert study.effect.status == ZERO_VARIANCE


def test_where_every_group_adopts_the_last_are_the_comparison_until_then():
    value, adoption = panel([4, 4, 4, 9, 9, 9])
    cut, note = comparable(value, adoption)

    assert cut.value.shape == (6, 9) and cut.is_adopter.tolist() == [True] * 3 + [False] * 3
    assert "the 3 days from the last adoption on have no comparison" in note
    assert difference_in_differences(value, adoption, 7).effect.effect == pytest.approx(2.0, abs=0.3)


def test_degrees_of_freedom_are_those_of_the_smaller_side():
    assert [smaller_side_df(*sizes) for sizes in ((5, 20), (20, 5), (2, 2), (1, 9))] == [4, 4, 1, 1]


def test_the_order_of_groups_changes_nothing():
    value, adoption = panel([4, 4, 7, 7, NEVER, NEVER, NEVER])
    turned = difference_in_differences(value[::-1], adoption[::-1], 7)
    assert turned.effect.effect == pytest.approx(difference_in_differences(value, adoption, 7).effect.effect, rel=1e-9)
