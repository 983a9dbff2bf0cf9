"""Earlier experiments in the units of a later one."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.health import HealthData, health_checks
from configs.schema import HealthThresholds, Project
from tests.analysis.health.examples import METRICS, START, day, experiment, rows_of

LOOKING_BACK = experiment(health={"carry_over_days": 14})
PREDECESSORS = pd.DataFrame(
    [("banner", "old", "c", True), ("banner", "old", "d", False)],
    columns=["experiment_id", "earlier_experiment_id", "earlier_variant_id", "is_baseline"],
)


def units(*rows: tuple[int, str, str, int]) -> pd.DataFrame:
    """Rows of fct_earlier_arms: (day, arm, arm in `old`, units)."""
    frame = pd.DataFrame(rows, columns=["known_from", "variant_id", "earlier_variant_id", "n_units"])
    return frame.assign(
        known_from=[day(n) for n in frame["known_from"]],
        experiment_id="banner",
        earlier_experiment_id="old",
        metric_id="all",
        covariate_sum=np.nan,
        covariate_squares=np.nan,
    )


def spend(*rows: tuple[int, str, int, float, float]) -> pd.DataFrame:
    """The same of the covariate of `spend`: (day, arm in `old`, units, mean, standard deviation)."""
    frame = pd.DataFrame(rows, columns=["known_from", "earlier_variant_id", "n_units", "mean", "sd"])
    return frame.assign(
        known_from=[day(n) for n in frame["known_from"]],
        experiment_id="banner",
        earlier_experiment_id="old",
        variant_id="a",
        metric_id="spend",
        covariate_sum=frame["n_units"] * frame["mean"],
        covariate_squares=(frame["n_units"] - 1) * frame["sd"] ** 2 + frame["n_units"] * frame["mean"] ** 2,
    )


EVEN = units((0, "a", "c", 500), (0, "a", "d", 500), (0, "b", "c", 505), (0, "b", "d", 495))


def test_arms_assigned_by_the_same_salt_warn_on_the_first_day() -> None:
    """All of `d` are in b. The likelihood ratio of r is (r/(1 + (r - 1)/2))^40, at most 2^40."""
    frame = units((0, "a", "c", 40), (0, "b", "d", 40))
    found = rows_of(
        "carry_over", [day(0), day(1)], LOOKING_BACK, earlier_arms=frame, predecessors=PREDECESSORS
    )  # fmt: skip
    assert found["passed"].tolist() == [False, False]
    assert found["severity"].tolist() == ["warning", "warning"]
    assert found.loc[day(0), "statistic"] == 1.0
    assert found.loc[day(0), "p_value"] > 2.0**-40
    assert "100.00% of b and 0.00% of a had been in d of old, of 80 units" in found.loc[day(0), "message"]


def test_an_even_spread_passes_also_where_the_sample_ratio_is_off() -> None:
    skewed = units((0, "a", "c", 500), (0, "a", "d", 500), (0, "b", "c", 100), (0, "b", "d", 100))
    for frame in (EVEN, skewed):
        found = rows_of("carry_over", [day(0)], LOOKING_BACK, earlier_arms=frame, predecessors=PREDECESSORS)
        assert found["passed"].all()
        assert found["p_value"].iloc[0] > 0.5


def test_an_earlier_effect_that_lasts_is_a_note() -> None:
    """Means of 10 and 11 with a standard deviation of 10 in 4,000 units each: 4.5 standard errors of √(2·100/4,000)."""
    frame = pd.concat([EVEN, spend((0, "c", 4_000, 10, 10), (0, "d", 4_000, 11, 10))])
    found = rows_of("carry_over", [day(0)], LOOKING_BACK, earlier_arms=frame, predecessors=PREDECESSORS).iloc[0]
    assert (found["passed"], found["severity"]) == (True, "note")
    assert "units of d of old had 11 of spend, others 10" in found["message"]
    assert "spread evenly, it biases nothing" in found["message"]


def test_covariates_of_few_units_or_alike_are_not_noted() -> None:
    for effect in (
        spend((0, "c", 999, 10, 1), (0, "d", 999, 20, 1)),
        spend((0, "c", 5_000, 10, 10), (0, "d", 5_000, 10.2, 10)),
    ):
        frame = pd.concat([EVEN, effect])
        found = rows_of("carry_over", [day(0)], LOOKING_BACK, earlier_arms=frame, predecessors=PREDECESSORS).iloc[0]
        assert (found["passed"], found["severity"]) == (True, "warning")


def test_nothing_to_compare_passes_and_says_why() -> None:
    assert rows_of("carry_over", [day(0)])["message"].iloc[0].startswith("not tested: no `health.carry_over_days`")
    found = rows_of("carry_over", [day(0)], LOOKING_BACK, predecessors=PREDECESSORS).iloc[0]
    assert (found["passed"], found["message"]) == (True, "none of the units had been in an earlier experiment")


def simulated(generator: np.random.Generator, subjects: list[str]) -> pd.DataFrame:
    """60 days of units in two earlier experiments of three arms, one with a treatment of 10 %; nothing is related."""
    cells = []
    for earlier, shares in (("old", (0.5, 0.3, 0.2)), ("older", (0.9, 0.05, 0.05))):
        n = generator.poisson(60 * np.array(shares)[:, None] * np.array([0.5, 0.5]), (len(subjects), 60, 3, 2))
        keys = pd.MultiIndex.from_product([subjects, [day(n) for n in range(60)], ["c", "d", "e"], ["a", "b"]])
        frame = keys.to_frame(index=False).assign(earlier_experiment_id=earlier, n_units=n.ravel())
        cells.append(frame.set_axis([*("experiment_id", "known_from", "earlier_variant_id", "variant_id"),
                                     *("earlier_experiment_id", "n_units")], axis=1))  # fmt: skip
    return pd.concat(cells).assign(metric_id="all", covariate_sum=np.nan, covariate_squares=np.nan)


def test_unrelated_experiments_rarely_warn_in_sixty_looks() -> None:
    """400 experiments of 60 daily looks, four comparisons each, p < .05: at most 37, P(X > 37 | 400, .05) = .00011."""
    assert stats.binom.sf(37, 400, 0.05) < 2e-4
    subjects = {f"e{i}": experiment(id=f"e{i}", end=day(59)) for i in range(400)}
    arms = [(id_, earlier, arm, arm == "c") for id_ in subjects for earlier in ("old", "older") for arm in "cde"]
    project = Project(
        name="shop", history_start=START, health=HealthThresholds(carry_over_days=14, carry_over_p=0.05)
    )  # fmt: skip
    data = HealthData(
        earlier_arms=simulated(np.random.default_rng(20261127), list(subjects)),
        predecessors=pd.DataFrame(arms, columns=PREDECESSORS.columns),
    )
    rows = health_checks(data, subjects, METRICS, project, [day(59)])
    rows = rows[rows["check_name"] == "carry_over"]
    assert rows["threshold"].iloc[0] == pytest.approx(0.05 / 4)
    assert (~rows["passed"]).sum() <= 37


def test_lasting_effects_are_rarely_seen_where_there_are_none() -> None:
    """400 experiments of 60 daily looks at a skewed covariate, p < .05: at most 37 notes."""
    generator = np.random.default_rng(20261127)
    subjects = {f"e{i}": experiment(id=f"e{i}", end=day(59)) for i in range(400)}
    keys = pd.MultiIndex.from_product([list(subjects), ["c", "d"], [day(n) for n in range(60)]]).to_frame(index=False)
    keys.columns = ["experiment_id", "earlier_variant_id", "known_from"]
    values = generator.lognormal(0, 1, (len(keys), 50))
    frame = keys.assign(
        variant_id="a", earlier_experiment_id="old", metric_id="spend", n_units=50,
        covariate_sum=values.sum(axis=1), covariate_squares=(values**2).sum(axis=1),
    )  # fmt: skip
    spread = keys.assign(variant_id="a", earlier_experiment_id="old", metric_id="all", n_units=25)
    arms = [(id_, "old", arm, arm == "c") for id_ in subjects for arm in "cd"]
    project = Project(
        name="shop", history_start=START, health=HealthThresholds(carry_over_days=14, carry_over_p=0.05)
    )  # fmt: skip
    data = HealthData(
        earlier_arms=pd.concat([frame, spread, spread.assign(variant_id="b")]),
        predecessors=pd.DataFrame(arms, columns=PREDECESSORS.columns),
    )
    rows = health_checks(data, subjects, METRICS, project, [day(59)])
    assert (rows[rows["check_name"] == "carry_over"]["severity"] == "note").sum() <= 37
