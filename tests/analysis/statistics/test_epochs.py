"""Effects within allocation epochs, combined: by hand, and against a ramp-up in a trend that misleads pooled arms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics.epochs import combined, combined_ratio, counted_epochs
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.status import Status
from analysis.statistics.student_t import two_sided_p
from analysis.statistics.welch import welch


def moments(n: list[float], mean: list[float], variance: list[float], third: float = 0.0) -> MeanMoments:
    return MeanMoments(*(np.array(values, dtype=float) for values in (n, mean, variance)), np.array(third))


def test_figures_by_hand() -> None:
    """100 + 100 units and 300 + 100: weights 1/3 and 2/3, means 10/3 + 2·8/3 = 26/3 and 12/3 + 2·9/3 = 10."""
    found = combined(moments([100, 300], [10, 8], [9, 27]), moments([100, 100], [12, 9], [18, 36], third=2.0))

    assert found.baseline.mean == pytest.approx(26 / 3) and found.treatment.mean == pytest.approx(10)
    assert found.effect == pytest.approx(4 / 3)
    assert found.baseline.variance == pytest.approx(1 / 9 * 0.09 + 4 / 9 * 0.09)
    assert found.treatment.variance == pytest.approx(1 / 9 * 0.18 + 4 / 9 * 0.36)
    assert (found.baseline.n, found.treatment.n) == (400, 200)
    # Σ W³/n² = (1/27 + 8/27)/100², of 200 units in one sample 1/200².
    assert found.treatment.third_central_moment == pytest.approx(2 * (9 / 27) / 100**2 * 200**2)


def test_a_ratio_by_hand() -> None:
    """Weights 1/3 and 2/3: numerators (3 + 2·6)/3 = 5 and (6 + 2·6)/3 = 6, denominators (1 + 2·2)/3 = 5/3."""
    baseline = JointMoments(np.array([100.0, 300.0]), np.array([[3.0, 1.0], [6.0, 2.0]]), np.full((2, 2, 2), 0.5))
    treatment = JointMoments(np.array([100.0, 100.0]), np.array([[6.0, 1.0], [6.0, 2.0]]), np.full((2, 2, 2), 0.5))

    found = combined_ratio(baseline, treatment, (np.array(0.0), np.array(0.0)))

    assert found.baseline.mean == pytest.approx(3) and found.treatment.mean == pytest.approx(3.6)
    # s² of y - 3x is .5·(1 - 3)² = 2, over (5/3)²; weights² over n: 1/900 + 4/2700.
    assert found.baseline.variance == pytest.approx(2 / (25 / 9) * (1 / 900 + 4 / 2700))


def test_one_epoch_is_the_plain_comparison() -> None:
    arms = moments([500.0], [10.0], [9.0], 1.5), moments([400.0], [11.0], [8.0], -0.5)
    plain = welch(*(MeanMoments(one.n[0], one.mean[0], one.variance[0], one.third_central_moment) for one in arms))
    found = combined(*arms)
    for name in ("effect", "status"):
        assert getattr(found, name) == getattr(plain, name)
    assert found.treatment.third_central_moment == pytest.approx(plain.treatment.third_central_moment)
    assert two_sided_p(found.difference) == pytest.approx(two_sided_p(plain.difference), rel=1e-12)


@pytest.mark.parametrize(
    ("baseline", "treatment", "counted"),
    [
        ([100, 100], [100, 0], [True, False]),  # an arm that was switched off
        ([100, 100], [100, 29], [True, False]),
        ([29, 5], [2, 1], [True, False]),  # nothing better
        ([9, 5], [1, 0], [False, False]),
    ],
)
def test_epochs_without_enough_units_in_an_arm_are_left_out(baseline, treatment, counted) -> None:
    n = np.array(baseline, dtype=float), np.array(treatment, dtype=float)
    assert counted_epochs(*n).tolist() == counted
    mean = np.where(n[1] > 0, 2.0, np.nan)
    found = combined(MeanMoments(n[0], n[0] * 0, n[0] * 0 + 1, np.nan), MeanMoments(n[1], mean, mean, np.nan))
    assert (found.effect == 2) if any(counted) else (found.status == Status.NO_UNITS)


@given(
    first=st.floats(0.02, 0.5),
    last=st.floats(0.02, 0.98),
    trend=st.floats(-5, 5),
    effect=st.floats(-1, 1),
)
def test_a_ramp_up_in_a_trend_misleads_pooled_arms_but_not_epochs(first, last, trend, effect) -> None:
    """Means without noise: everybody's value moves by `trend` from epoch to epoch, as the treatment's share does."""
    shares, level = np.array([first, last]), np.array([10.0, 10.0 + trend])
    n_t, n_b = 10_000 * shares, 10_000 * (1 - shares)
    arms = (
        MeanMoments(n_b, level, np.ones(2), np.array(np.nan)),
        MeanMoments(n_t, level + effect, np.ones(2), np.array(np.nan)),
    )
    pooled = np.average(level + effect, weights=n_t) - np.average(level, weights=n_b)
    bias = trend * (n_t[1] / n_t.sum() - n_b[1] / n_b.sum())

    assert pooled - effect == pytest.approx(bias, abs=1e-9)
    assert combined(*arms).effect == pytest.approx(effect, abs=1e-9)
