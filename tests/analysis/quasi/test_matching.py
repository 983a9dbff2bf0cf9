"""Matching: neighbours that can be counted by hand, a confounder that is removed, and one that is seen to remain."""

import numpy as np
import pytest

from analysis.quasi.matching import Units, match, matched
from analysis.quasi.study import ASSUMPTION_FAILED, OK, TOO_FEW_UNITS


def population(n=4000, hidden=0.0, seed=3):
    """Who is more active takes it up more and spends more anyway; the true effect is 1."""
    rng = np.random.default_rng(seed)
    activity, unseen = rng.standard_normal(n), rng.standard_normal(n)
    is_treated = rng.random(n) < 1 / (1 + np.exp(2 - activity - hidden * unseen))
    base = 10 + 2 * activity + 2 * unseen
    return Units(
        is_treated=is_treated,
        covariates=activity[:, None],
        outcome=base + is_treated + rng.standard_normal(n),
        before=base + rng.standard_normal(n),
    )


def test_neighbours_are_the_nearest_by_score_with_all_ties():
    score = np.array([0.0, 1.0, 0.1, 0.1, 0.4, 5.0])
    found = match(score, np.array([0, 1]), np.array([2, 3, 4, 5]), 1, 0.7)

    assert found.treated.tolist() == [0, 1]
    pairs = list(zip(found.treated_of, found.control_of, found.weight, strict=True))
    assert pairs == [(0, 2, 0.5), (0, 3, 0.5), (1, 4, 1.0)]
    assert found.means(np.arange(6.0)).tolist() == [2.5, 4.0]


def test_who_has_nobody_alike_is_left_out():
    assert match(np.array([0.0, 9.0]), np.array([1]), np.array([0]), 1, 0.5).treated.size == 0


def test_a_confounder_that_is_known_is_removed():
    units = population()
    naive = units.outcome[units.is_treated].mean() - units.outcome[~units.is_treated].mean()
    study = matched(units, ("activity",), 1, 0.2).judged()
    checks = {check.name: check for check in study.checks}

    assert naive > 2
    assert study.effect.status == OK
    assert abs(study.effect.effect - 1) < 2.5 * study.effect.se < 0.6
    assert checks["balance_activity"].passed and "before matching" in checks["balance_activity"].message
    assert checks["overlap"].statistic > 0.95


def test_one_that_is_not_among_the_covariates_shows_before_uptake():
    study = matched(population(hidden=1.0), ("activity",), 1, 0.2).judged()

    assert study.effect.status == ASSUMPTION_FAILED
    assert study.effect.reason == "assumptions that fail: placebo_before"


def test_more_neighbours_are_more_precise():
    widths = [matched(population(), ("activity",), neighbours, 0.2).effect.se for neighbours in (1, 5)]
    assert widths[1] < widths[0]


def test_a_few_units_are_too_few():
    assert matched(population(60), ("activity",), 1, 0.2).effect.status == TOO_FEW_UNITS


def test_the_order_of_units_changes_nothing():
    units = population(1000)
    turned = Units(units.is_treated[::-1], units.covariates[::-1], units.outcome[::-1], units.before[::-1])
    first, second = (matched(each, ("activity",), 1, 0.2).effect for each in (units, turned))
    assert second.effect == pytest.approx(first.effect, rel=1e-9)
