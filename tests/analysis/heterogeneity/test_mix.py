"""Simpson's paradox in published data, and the split of a pooled effect."""

import numpy as np
import pytest

from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.mix import Arm, mix
from tests.analysis.heterogeneity.examples import one_group


def shares(successes: list[int], of: list[int]) -> Arm:
    n = np.array(of, dtype=float)
    return Arm(n, np.array(successes) / n, np.ones(n.size), np.zeros(n.size))


def test_kidney_stones() -> None:
    """Charig et al. 1986: open surgery does better with small and with large stones, and worse in all.

    81/87 and 192/263 against 234/270 and 55/80; pooled 273/350 = 78 % against 289/350 = 83 %.
    """
    found = mix(shares([234, 55], [270, 80]), shares([81, 192], [87, 263]), one_group(2))
    assert found.pooled == pytest.approx(273 / 350 - 289 / 350)
    # Shares of small stones are 270/350 and 87/350: 357/700 at one mix.
    standardised = 357 / 700 * (81 / 87 - 234 / 270) + 343 / 700 * (192 / 263 - 55 / 80)
    assert found.standardised == pytest.approx(standardised) and standardised > 0.05
    assert found.pooled == pytest.approx(found.standardised + found.mix_effect)
    assert found.contribution.sum() == pytest.approx(found.mix_effect[0])
    assert found.p_value < 1e-20


def test_admissions_to_berkeley() -> None:
    """Bickel, Hammel & O'Connell 1975, six largest departments: women 30 % against men 45 %, not so by department."""
    men = shares([512, 353, 120, 138, 53, 22], [825, 560, 325, 417, 191, 373])
    women = shares([89, 17, 202, 131, 94, 24], [108, 25, 593, 375, 393, 341])
    found = mix(men, women, one_group(6))
    assert found.pooled == pytest.approx(-0.1416, abs=5e-5)
    assert found.standardised > 0
    assert found.p_value < 1e-20


def test_arms_of_one_mix_have_no_mix_effect() -> None:
    found = mix(shares([10, 90], [100, 300]), shares([30, 60], [200, 600]), one_group(2))
    assert found.mix_effect == pytest.approx(0, abs=1e-15)
    assert found.pooled == pytest.approx(found.standardised)
    assert found.p_value == pytest.approx(1)


def test_segments_of_a_ratio_weigh_by_their_denominators() -> None:
    """Orders per visit: the pooled ratio is of sums, so that segments with more visits per unit weigh more."""
    n, visits, ratio = np.array([100.0, 100]), np.array([2.0, 6.0]), np.array([0.5, 0.1])
    base = Arm(n, ratio, visits, np.ones(2))
    treatment = Arm(n, ratio, np.array([6.0, 2.0]), np.ones(2))
    found = mix(base, treatment, one_group(2))
    assert found.pooled == pytest.approx((600 * 0.5 + 200 * 0.1) / 800 - (200 * 0.5 + 600 * 0.1) / 800)
    assert found.standardised == pytest.approx(0, abs=1e-15)
    assert found.p_value < 1e-10


def test_a_segment_that_an_arm_lacks_takes_no_part_and_an_empty_group_has_nothing() -> None:
    base, treatment = shares([10, 20, 5, 1], [100, 200, 50, 10]), shares([10, 30, 5, 1], [100, 200, 50, 10])
    base.n[3], treatment.n[2] = 0, 0
    found = mix(base, treatment, Groups(np.array([0, 0, 0, 1])))
    assert found.pooled[0] == pytest.approx(40 / 300 - 30 / 300)
    assert np.isnan([found.pooled[1], found.p_value[1], found.contribution[2]]).all()


def test_the_test_of_mixes_keeps_its_level() -> None:
    """20,000 experiments of 900/300 units in three segments at levels 1, 2, 4; .05 ± 3.29·.00154 holds 99.9 %."""
    rng = np.random.default_rng(11)
    runs, levels = 20_000, np.array([1.0, 2, 4])
    counts = [rng.multinomial(size, [0.5, 0.3, 0.2], runs) for size in (900, 300)]
    means = [levels + rng.standard_normal((runs, 3)) / np.sqrt(n) for n in counts]
    arms = [
        Arm(n.ravel().astype(float), mean.ravel(), np.ones(3 * runs), np.zeros(3 * runs))
        for n, mean in zip(counts, means, strict=True)
    ]
    p = mix(*arms, Groups(np.repeat(np.arange(runs), 3))).p_value
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.0051)
