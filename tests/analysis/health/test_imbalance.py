"""Covariates that differ before any treatment."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.health import HealthData, health_checks
from configs.schema import Project
from tests.analysis.health.examples import METRICS, START, day, experiment, moments, rows_of


def covariate(number: int, n: int, a: float, b: float, variance: float = 100.0) -> list[dict[str, Any]]:
    return [
        {
            "as_of_date": day(number), "metric_id": "spend", "variant_id": variant, "n_units": n, "mean": 1.0,
            "variance": 1.0, "covariate_mean": mean, "covariate_variance": variance,
        }
        for variant, mean in (("a", a), ("b", b))
    ]  # fmt: skip


def test_a_difference_that_no_treatment_made_warns_then_fails() -> None:
    """Two arms of 10,000 units of variance 100: a standard error of √.02, of which .75 is 5.3 and 1.2 is 8.5."""
    rows = moments(
        [*covariate(3, 10_000, 20.0, 20.0), *covariate(4, 10_000, 20.0, 20.75), *covariate(5, 10_000, 20.0, 21.2)]
    )
    found = rows_of("pre_exposure_imbalance", [day(3), day(4), day(5)], moments=rows)
    assert found["passed"].tolist() == [True, False, False]
    assert found["severity"].tolist() == ["warning", "warning", "error"]
    assert found["statistic"].tolist() == pytest.approx([0, 0.75, 1.2])
    assert found.loc[day(4), "message"].startswith("before exposure spend was 20.75 in b, 20 in a: always-valid p ")


def test_the_p_value_is_the_mixture_s() -> None:
    """Independent arithmetic: log p = (log(1 + k) - z²·k/(k + 1))/2, k = n·ρ², ρ² = best at 2,000 units."""
    from analysis.statistics.confidence_sequence import best_rho2

    found = rows_of("pre_exposure_imbalance", [day(4)], moments=moments(covariate(4, 10_000, 20.0, 20.75)))
    z, k = 0.75 / np.sqrt(2 * 100 / 10_000), 20_000 * float(best_rho2(2_000, 0.001))
    assert found["p_value"].iloc[0] == pytest.approx(np.exp((np.log1p(k) - z * z * k / (k + 1)) / 2))


def test_an_imbalance_is_remembered_and_the_first_thousand_units_are_waited_for() -> None:
    rows = moments(
        [*covariate(3, 999, 20.0, 30.0), *covariate(4, 1_000, 20.0, 30.0), *covariate(5, 20_000, 20.0, 20.0)]
    )
    found = rows_of("pre_exposure_imbalance", [day(3), day(4), day(5)], moments=rows)
    assert found["passed"].tolist() == [True, False, False]
    assert found.loc[day(3), "message"] == "no covariate of 1,000 units in each arm yet"


def test_balanced_covariates_rarely_fail_in_forty_looks() -> None:
    """500 experiments of skewed money, 40 looks, alarms at .05 for the bound to be seen: at most 44.

    P(X > 44 | 500, .05) = .00012.
    """
    assert stats.binom.sf(44, 500, 0.05) < 2e-4
    generator = np.random.default_rng(20261127)
    shape = (500, 2, 40, 300)
    values = np.where(generator.random(shape) < 0.2, generator.lognormal(3, 1, shape), 0)
    n = 300 * np.arange(1, 41)
    first, second = values.sum(-1).cumsum(-1), (values**2).sum(-1).cumsum(-1)
    mean = first / n
    variance = (second - n * mean**2) / (n - 1)
    subjects = {f"e{i}": experiment(id=f"e{i}", end=day(39), health={"imbalance_p": 0.05}) for i in range(500)}
    keys = pd.MultiIndex.from_product([list(subjects), ["a", "b"], [day(i) for i in range(40)]]).to_frame(index=False)
    keys.columns = ["experiment_id", "variant_id", "as_of_date"]
    frame = keys.assign(
        metric_id="spend", segment_name="all", n_units=np.tile(n, 1_000), mean=1.0, variance=1.0, total=1.0,
        third_central_moment=0.0, cap_value=np.nan, covariate_mean=mean.ravel(), covariate_variance=variance.ravel(),
    )  # fmt: skip
    project = Project(name="shop", history_start=START)
    found = health_checks(HealthData(moments=frame), subjects, METRICS, project, [day(39)])
    alarms = found[(found["check_name"] == "pre_exposure_imbalance") & ~found["passed"]]
    assert len(alarms) <= 44
