"""Regression discontinuity by rdrobust, where its extra is installed: it is under the GPL, and not in the lock."""

import numpy as np
import pytest

from analysis.quasi.pyfixest_models import MissingPackageError
from analysis.quasi.regression_discontinuity import jump, regression_discontinuity
from analysis.quasi.study import ASSUMPTION_FAILED, OK, TOO_FEW_UNITS


def scored(n=3000, effect=2.0, seed=8):
    rng = np.random.default_rng(seed)
    score = rng.uniform(-1, 1, n)
    age = 40 + 5 * score + rng.standard_normal(n)
    return score, 3 * score + effect * (score >= 0) + rng.standard_normal(n), age[:, None]


def test_without_the_extra_the_reason_says_what_to_install():
    try:
        import rdrobust  # noqa: F401
    except ImportError:
        with pytest.raises(MissingPackageError, match=r"equipoise\[rd\]"):
            jump(np.zeros(9), np.arange(9.0), 4.0)


def test_few_units_need_no_package():
    study = regression_discontinuity(np.arange(9.0), np.arange(9.0), np.zeros((9, 0)), (), 4.0, is_treated_above=True)
    assert study.effect.status == TOO_FEW_UNITS


@pytest.fixture
def rdrobust():
    pytest.importorskip("rddensity", exc_type=ImportError)
    return pytest.importorskip("rdrobust", exc_type=ImportError)


def test_senate_elections_have_the_published_figures(rdrobust):
    """rdpackages/rdrobust, the senate illustration: conventional 7.414, bandwidth 17.75."""
    data = rdrobust.rdrobust_RDsenate().dropna(subset=["vote", "margin"])
    fit = rdrobust.rdrobust(data["vote"], data["margin"])
    effect, se, p_value, bandwidth = jump(data["vote"].to_numpy(), data["margin"].to_numpy(), 0.0)

    assert fit.coef.loc["Conventional"].item() == pytest.approx(7.414, abs=5e-3)
    assert bandwidth == pytest.approx(17.754, abs=5e-3)
    assert effect == fit.coef.loc["Robust"].item() and se > 0 and p_value < 0.001


def test_a_jump_is_found_and_nothing_else_jumps(rdrobust):
    score, outcome, age = scored()
    study = regression_discontinuity(score, outcome, age, ("age",), 0.0, is_treated_above=True).judged()

    assert study.effect.status == OK
    assert abs(study.effect.effect - 2) < 3 * study.effect.se < 1.5
    assert [check.name for check in study.checks] == ["density", "balance_age", "placebo_cutoffs"]


def test_treated_below_turns_the_sign(rdrobust):
    score, outcome, age = scored()
    above, below = (
        regression_discontinuity(score, outcome, age, ("age",), 0.0, is_treated_above=side).effect.effect
        for side in (True, False)
    )
    assert below == pytest.approx(-above)


def test_units_that_choose_their_side_are_seen(rdrobust):
    score, outcome, age = scored()
    could = (score < 0) & (score > -0.3) & (np.random.default_rng(1).random(len(score)) < 0.5)
    moved = np.where(could, -score, score)
    study = regression_discontinuity(moved, outcome, age, ("age",), 0.0, is_treated_above=True).judged()
    assert study.effect.status == ASSUMPTION_FAILED and "density" in study.effect.reason
