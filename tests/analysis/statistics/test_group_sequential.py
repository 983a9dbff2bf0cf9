"""Group sequential boundaries and designs against published tables, other software, and multivariate normals."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri

from analysis.statistics.group_sequential import recursion
from analysis.statistics.group_sequential.boundaries import (
    Boundaries,
    boundaries,
    critical_value,
    shared_schedules,
)
from analysis.statistics.group_sequential.crossing import crossing
from analysis.statistics.group_sequential.design import (
    drift_for_power,
    expected_information,
    inflation,
    obrien_fleming_constant,
    planned_inflation,
    pocock_constant,
    power,
)
from analysis.statistics.group_sequential.futility import futility_bounds
from analysis.statistics.group_sequential.recursion import looks
from analysis.statistics.spending import Spending, hwang_shih_decani, kim_demets, obrien_fleming, pocock

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "gsd_published.json"


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    if not REFERENCE.exists():
        pytest.skip("the published group sequential tables are not beside this checkout")
    return json.loads(REFERENCE.read_text())


def equal_looks(n: int) -> np.ndarray:
    return np.arange(1, n + 1) / n


def classic(n: int, alpha: float, design: str) -> Boundaries:
    """A test with Pocock's or O'Brien and Fleming's own boundaries."""
    times = equal_looks(n)
    shape = 1 / np.sqrt(times) if design == "OF" else np.ones(n)
    bound = shape * (obrien_fleming_constant(n, alpha) if design == "OF" else pocock_constant(n, alpha))
    spent = 2 * crossing(times, -bound, bound).upper.cumsum(axis=1)
    return Boundaries(looks(times[None]), bound[None], spent, np.array([alpha]), 2, pocock, np.array([True]))


def sample_sizes(design: Boundaries, wanted: float) -> tuple[float, list[float]]:
    """Percent of the fixed sample size: the largest, and the mean at 0, .5, 1 and 1.5 times the planned effect."""
    largest = 100 * inflation(design, wanted)[0]
    drift = drift_for_power(design, wanted)[0]
    return largest, [largest * expected_information(design, drift * share)[0] for share in (0, 0.5, 1, 1.5)]


@pytest.mark.parametrize(("table", "constant"), [("pocock_CP", pocock_constant), ("obf_CB", obrien_fleming_constant)])
def test_classic_constants_match_jennison_and_turnbull(reference: dict[str, Any], table: str, constant: Any) -> None:
    for alpha, column in reference[table].items():
        for n, printed in zip(column["K"], column["C"], strict=True):
            assert constant(n, float(alpha)) == pytest.approx(printed, abs=5.01e-4)


def test_four_looks_by_obrien_and_fleming_match_deming(reference: dict[str, Any]) -> None:
    bounds = classic(4, 0.05, "OF").upper[0]
    np.testing.assert_allclose(bounds, reference["obf_z_K4_alpha05"]["z"], atol=0.00501)


def test_repeated_tests_at_five_percent_match_armitage(reference: dict[str, Any]) -> None:
    table = reference["repeated_testing_at_nominal_5pct"]
    for n, printed in zip(table["K"], table["type1"], strict=True):
        fixed = -ndtri(0.025)
        assert 2 * crossing(equal_looks(n), -fixed, fixed).upper.sum() == pytest.approx(printed, abs=5.01e-4)


def test_expected_sample_sizes_match_jennison_and_turnbull(reference: dict[str, Any]) -> None:
    for case in reference["JT_expected_sample_size_pct_of_fixed"]:
        n, wanted, family = case["K"], case["power"], case["design"]
        if family.startswith("rho"):
            design = boundaries(equal_looks(n), 0.05, kim_demets(float(family[-1])))
        else:
            design = classic(n, 0.05, family)
        largest, means = sample_sizes(design, wanted)
        assert largest == pytest.approx(case["max_pct"], abs=0.0501)
        printed = case.get("ASN_at_0_.5_1_1.5_delta", [case.get("ASN_at_theta0")])
        np.testing.assert_allclose(means[: len(printed)], printed, atol=0.0501)


def test_pocock_design_matches_sas(reference: dict[str, Any]) -> None:
    """To 3e-6: the printed largest information is .9999970 of what its own printed percentage implies."""
    case = reference["SAS_SEQDESIGN_ex_TwoSidedPocock"]
    design = classic(case["K"], case["alpha"], "Pocock")
    largest, means = sample_sizes(design, case["power"])
    assert largest == pytest.approx(case["max_info_pct"], rel=3e-6)
    assert means[0] == pytest.approx(case["null_ASN_pct"], rel=3e-6)
    assert means[2] == pytest.approx(case["alt_ASN_pct"], rel=3e-6)
    drift = drift_for_power(design, case["power"])[0]
    assert (drift / 0.4) ** 2 == pytest.approx(case["max_info_altref_0.4"], rel=3e-6)


@pytest.mark.parametrize("spending", [obrien_fleming, pocock, hwang_shih_decani(-2.0)])
@pytest.mark.parametrize("sides", [1, 2])
def test_boundaries_agree_with_the_multivariate_normal(spending: Spending, sides: int) -> None:
    """Error spent by look 3 of an unequal schedule, by scipy's integration of the joint distribution of Z."""
    times = np.array([0.2, 0.55, 0.7])
    bounds = boundaries(times, 0.05, spending, sides=sides)
    covariance = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    for n in (1, 2, 3):
        inside = stats.multivariate_normal(cov=covariance[:n, :n], seed=1, abseps=1e-9, releps=1e-9, maxpts=10**6).cdf(
            bounds.upper[0, :n], lower_limit=np.maximum(bounds.lower[0, :n], -12)
        )
        assert 1 - inside == pytest.approx(bounds.spent[0, n - 1], abs=2e-6)
        assert bounds.spent[0, n - 1] == pytest.approx(sides * spending(0.05 / sides, times[n - 1]), rel=1e-12)


def test_more_nodes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve looks, and looks 1 % apart: 160 nodes, or what narrow steps need, against 640."""
    schedules = np.array([equal_looks(12), np.r_[0.5, 0.505, 0.51, np.linspace(0.6, 1, 9)]])
    designs = [boundaries(schedules, 0.05, obrien_fleming, sides=sides).upper for sides in (1, 2)]
    monkeypatch.setattr(recursion, "NODES", 640)
    for sides, upper in zip((1, 2), designs, strict=True):
        np.testing.assert_allclose(boundaries(schedules, 0.05, obrien_fleming, sides=sides).upper, upper, rtol=1e-8)


def test_a_non_binding_design_matches_other_software() -> None:
    """One-sided .025, power .9, three looks, Hwang-Shih-DeCani -4 and -2.

    Printed in the manual of the R package gsDesign, second example of gsBoundSummary.
    """
    bounds = boundaries(equal_looks(3), 0.025, hwang_shih_decani(-4), sides=1)
    drift = drift_for_power(bounds, 0.9, spending=hwang_shih_decani(-2))
    futility = futility_bounds(bounds, drift, 0.1, hwang_shih_decani(-2))
    np.testing.assert_allclose(bounds.upper[0], [3.0107, 2.5465, 1.9992], atol=5e-5)
    np.testing.assert_allclose(futility[0], [-0.2387, 0.9411, 1.9992], atol=5e-5)
    stops = crossing(bounds.information, futility, bounds.upper, drift)
    np.testing.assert_allclose(stops.lower.cumsum(), hwang_shih_decani(-2)(0.1, equal_looks(3)), rtol=1e-9)
    assert stops.upper.sum() == pytest.approx(0.9, abs=1e-10)
    # Non-binding: with futility the level can only fall, without it the whole level is spent.
    assert crossing(bounds.information, futility, bounds.upper).upper.sum() < 0.025
    assert crossing(bounds.information, bounds.lower, bounds.upper).upper.sum() == pytest.approx(0.025, rel=1e-9)
    assert expected_information(bounds, 0.0, futility)[0] < expected_information(bounds, 0.0)[0]


def test_futility_never_passes_the_efficacy_bound() -> None:
    """A drift far too large gives up at once: the bound is the efficacy bound, and the test ends there."""
    bounds = boundaries([[0.3, 0.6, 1.0]], 0.025, pocock, sides=1)
    futility = futility_bounds(bounds, 12.0, 0.5, pocock)
    assert (futility <= bounds.upper).all()
    assert np.isfinite(futility).all()


def test_over_running_spends_all_that_is_left_and_nothing_after() -> None:
    bounds = boundaries([0.4, 1.15, 1.3], 0.05, obrien_fleming)
    assert bounds.spent[0].tolist() == pytest.approx([float(2 * obrien_fleming(0.025, 0.4)), 0.05, 0.05])
    assert np.isinf(bounds.upper[0, 2])
    assert 2 * crossing([0.4, 1.15, 1.3], bounds.lower, bounds.upper).upper.sum() == pytest.approx(0.05, rel=1e-9)


def test_under_running_spends_all_only_where_the_test_ends() -> None:
    bounds = boundaries([[0.5, 0.9, np.nan], [0.5, 0.9, np.nan]], 0.05, obrien_fleming, ends=[False, True])
    np.testing.assert_allclose(bounds.spent[:, 1], [float(2 * obrien_fleming(0.025, 0.9)), 0.05])
    assert bounds.upper[1, 1] < bounds.upper[0, 1]
    assert np.isinf(bounds.upper[:, 2]).all()


def test_a_look_without_new_information_may_not_stop() -> None:
    """Repeating a look, missing one, or one whose information fell: the others are as if it had not been."""
    plain = boundaries([0.3, 0.6, 1.0], 0.05, pocock).upper[0]
    odd = boundaries([0.0, 0.3, 0.3, 0.2, np.nan, 0.6, 1.0], 0.05, pocock).upper[0]
    np.testing.assert_allclose(odd[[1, 5, 6]], plain, rtol=1e-12)
    assert np.isinf(odd[[0, 2, 3, 4]]).all()


def test_a_bound_depends_only_on_the_looks_so_far() -> None:
    full = boundaries(equal_looks(28), 0.05, obrien_fleming).upper[0]
    part = boundaries(equal_looks(28)[:10], 0.05, obrien_fleming).upper[0]
    np.testing.assert_allclose(part, full[:10], rtol=1e-9)


schedules = st.lists(st.floats(0.02, 1.2), min_size=1, max_size=6, unique=True).map(sorted)


@settings(max_examples=40, deadline=None)
@given(
    schedules, st.floats(1e-6, 0.4), st.sampled_from([1, 2]), st.sampled_from([obrien_fleming, pocock, kim_demets(2)])
)
def test_every_schedule_spends_what_it_should(times: list[float], alpha: float, sides: int, spending: Spending) -> None:
    bounds = boundaries(times, alpha, spending, sides=sides, ends=True)
    stops = crossing(bounds.information, bounds.lower, bounds.upper)
    np.testing.assert_allclose(sides * stops.upper.cumsum(axis=1), bounds.spent, rtol=1e-6, atol=1e-12)
    assert bounds.spent[0, -1] == pytest.approx(alpha)
    assert (bounds.upper[0] > -10).all()


def test_one_look_is_the_fixed_test() -> None:
    assert boundaries([1.0], 0.05, obrien_fleming).upper[0, 0] == pytest.approx(1.959963984540054, rel=1e-12)
    assert planned_inflation(1, 0.05, 0.8, pocock)[0] == pytest.approx(1, rel=1e-9)


def test_power_at_its_drift_and_inflation_of_daily_looks() -> None:
    """O'Brien-Fleming spending over 28 looks costs some 4 %; Pocock spending some 30 %."""
    bounds = boundaries(np.tile(equal_looks(28), (2, 1)), [0.05, 0.01], obrien_fleming)
    drift = drift_for_power(bounds, [0.8, 0.9])
    np.testing.assert_allclose(power(bounds, drift), [0.8, 0.9], rtol=1e-9)
    assert 1.02 < planned_inflation(28, 0.05, 0.8, obrien_fleming)[0] < 1.06
    assert 1.2 < planned_inflation(28, 0.05, 0.8, pocock)[0] < 1.4


def test_comparisons_share_schedules() -> None:
    information = np.array([[0.5, 1.0], [0.4, np.nan], [0.5, 1.0], [0.5, 1.0]])
    fractions, alpha, ends, number = shared_schedules(
        information, np.array([0.05, 0.05, 0.05, 0.01]), np.array([True, False, True, True])
    )
    assert fractions.shape == (3, 2)
    np.testing.assert_array_equal(fractions[number], information)
    assert alpha[number].tolist() == [0.05, 0.05, 0.05, 0.01]
    assert ends[number].tolist() == [True, False, True, True]


def test_a_test_has_one_or_two_sides() -> None:
    with pytest.raises(ValueError, match="1 or 2 sides"):
        boundaries([1.0], 0.05, pocock, sides=3)


@pytest.mark.parametrize("runs", [4_000, pytest.param(40_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("spending", [obrien_fleming, pocock])
def test_any_look_error_over_28_unequal_looks(runs: int, spending: Spending) -> None:
    """Normal data, α .05, seed 21: within 3.29 binomial deviations of .05 (.0387 to .0613 at 4,000 runs)."""
    rng = np.random.default_rng(21)
    times = rng.uniform(0.3, 1.7, 28).cumsum()
    times /= times[-1]
    paths = (rng.normal(size=(runs, 28)) * np.sqrt(np.diff(times, prepend=0))).cumsum(axis=1) / np.sqrt(times)
    upper = boundaries(times, 0.05, spending).upper
    rate = (np.abs(paths) >= upper).any(axis=1).mean()
    assert abs(rate - 0.05) <= 3.29 * np.sqrt(0.05 * 0.95 / runs)


def test_many_comparisons_a_second_over_shared_schedules() -> None:
    """200,000 comparisons over 20 schedules of 28 looks: boundaries and critical values at over 100,000/s."""
    rng = np.random.default_rng(22)
    kinds = rng.uniform(0.5, 1.5, (20, 28)).cumsum(axis=1)
    kinds /= kinds[:, -1:]
    schedule, look = rng.integers(0, 20, 200_000), rng.integers(0, 28, 200_000)
    begun = time.process_time()
    critical_value(boundaries(kinds, 0.05, obrien_fleming), schedule, look)
    assert 200_000 / (time.process_time() - begun) > 100_000
