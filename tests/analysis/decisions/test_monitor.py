"""The rollback monitor: its figures, its level over all looks, and what it does to a decision."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.decisions import decisions
from analysis.decisions.monitor import MONITOR_COLUMNS, rollback_monitor
from analysis.statistics.confidence_sequence import best_rho2, unit_margin
from configs.schema import Metric
from tests.analysis.decisions.examples import END, METRICS, START, Case, Result, make_experiment, scorecard_frame

DAY = timedelta(days=1)


def history(results: dict[date, Result], metric_id: str = "revenue", **options: Any) -> list[Case]:
    subject = make_experiment(primary=[metric_id], **options)
    return [Case(subject, {(metric_id, "b"): result}, as_of=day) for day, result in results.items()]


def monitored(cases: list[Case]) -> pd.DataFrame:
    scorecard = pd.concat([case.scorecard() for case in cases])
    scorecard["treatment_mean"] = scorecard["baseline_mean"] + scorecard["effect"]
    return rollback_monitor(scorecard, {"banner": cases[0].experiment}, METRICS)


def decided(cases: list[Case], days: list[date]) -> pd.DataFrame:
    scorecard, health = (pd.concat([getattr(case, name)() for case in cases]) for name in ("scorecard", "health"))
    scorecard["treatment_mean"] = scorecard["baseline_mean"] + scorecard["effect"]
    return decisions(scorecard, health, {"banner": cases[0].experiment}, METRICS, days)


def test_the_bound_is_the_one_sided_confidence_sequence() -> None:
    """α_d .025, one metric, one treatment, tuned to 2 × 1,000 units; 10,000 units of deviation se·√n = 10."""
    (row,) = monitored(history({START: Result(-0.5)})).itertuples()
    assert row.level == pytest.approx(0.025)
    margin = 0.1 * np.sqrt(10_000) * unit_margin(10_000, best_rho2(2_000, 0.025, sides=1), 0.025, sides=1)
    assert row.least_harm == pytest.approx(0.5 - margin)
    assert row.is_harmful
    assert row.p_value < 0.025
    assert row.status == "ok"
    assert "no window" in row.reason


def test_bound_and_p_value_agree_and_follow_the_metrics_direction() -> None:
    for effect in np.linspace(0.28, 0.34, 5):
        (row,) = monitored(history({START: Result(effect)}, "latency")).itertuples()
        assert row.is_harmful == (row.least_harm > 0)
        (better,) = monitored(history({START: Result(-effect)}, "latency")).itertuples()
        assert not better.is_harmful


def test_of_a_quantile_gate_and_monitor_say_what_their_standard_error_is() -> None:
    median = Metric(
        id="latency",
        type="quantile",
        quantile=0.5,
        of="events",
        source="s",
        event="e",
        measure="m",
        direction="decrease",
    )
    subject = make_experiment(primary=["latency"], minimum_detectable_effect=0.02)
    case = Case(subject, {("latency", "b"): Result(0.0, se=0.07)}, as_of=END)
    scorecard = case.scorecard().assign(treatment_mean=10.0)
    for metrics, says_so in ((METRICS, False), (METRICS | {"latency": median}, True)):
        (row,) = rollback_monitor(scorecard, {"banner": subject}, metrics).itertuples()
        assert row.reason.endswith("of a quantile: its standard error is half the 95 % interval over 1.96") == says_so
        decision = decisions(scorecard, case.health(), {"banner": subject}, metrics, [END]).iloc[0]
        assert ("by the width of its interval" in decision["reasons"]) == says_so
        assert decision["recommendation"] == "review"


def test_the_level_is_split_over_metrics_and_treatments() -> None:
    subject = make_experiment(primary=["revenue"], secondary=["visits"], guardrail=["latency"], treatments=["b", "c"])
    frame = rollback_monitor(Case(subject, {("revenue", "b"): Result(0.0)}).scorecard(), {"banner": subject}, METRICS)
    assert frame["level"].tolist() == [pytest.approx(0.025 / 6)]


def test_harm_once_found_stays_found() -> None:
    frame = monitored(history({START: Result(-0.1), START + DAY: Result(-0.6), START + 2 * DAY: Result(0.0)}))
    assert frame["is_harmful"].tolist() == [False, True, True]
    assert frame["p_value"].is_monotonic_decreasing


def test_the_sequence_starts_with_a_thousand_units_or_a_hundred_events_in_each_arm() -> None:
    assert monitored(history({START: Result(-9, n=999)}))["status"].tolist() == ["burn_in"]
    assert monitored(history({START: Result(-9, n=1_000)}))["status"].tolist() == ["ok"]
    rows = history({START: Result(-0.009, se=0.001, n=5_000)}, "conversion")[0].scorecard()
    subject = make_experiment()
    for share, status in ((0.0198, "burn_in"), (0.02, "ok")):
        one = rows.assign(baseline_mean=0.05, treatment_mean=share)
        frame = rollback_monitor(one, {"banner": subject}, METRICS)
        assert frame["status"].tolist() == [status]
        assert frame["p_value"].isna().tolist() == [status == "burn_in"]


def test_while_a_row_is_skewed_the_monitor_waits() -> None:
    rows = history({START: Result(-9)})[0].scorecard()
    skewed = rows.assign(status="weak_baseline", reason="weak baseline: …; skewed: a tail may be off")
    for scorecard, expected in ((rows, ("ok", True)), (skewed, ("skewed", False))):
        (row,) = rollback_monitor(scorecard, {"banner": make_experiment(primary=["revenue"])}, METRICS).itertuples()
        assert (row.status, row.is_harmful) == expected


def test_what_has_no_estimate_keeps_its_reason_and_raises_no_alarm() -> None:
    frame = monitored(history({START: Result(-9, status="incomplete")}))
    assert frame["status"].tolist() == ["incomplete"]
    assert frame["is_harmful"].tolist() == [False]
    assert frame.dtypes.astype(str).to_dict() == MONITOR_COLUMNS


def test_an_empty_scorecard_gives_an_empty_table() -> None:
    frame = rollback_monitor(scorecard_frame([]), {"banner": make_experiment()}, METRICS)
    assert frame.empty
    assert frame.dtypes.astype(str).to_dict() == MONITOR_COLUMNS


@pytest.mark.parametrize("method", ["fixed", "bayesian"])
def test_grave_harm_rolls_back_before_the_end_and_stays(method: str) -> None:
    days = [START, START + DAY, START + 2 * DAY]
    cases = history({days[0]: Result(0.0), days[1]: Result(-0.6), days[2]: Result(0.0)}, method=method)
    found = decided(cases, [*days, START + 3 * DAY])
    assert found["recommendation"].tolist() == ["continue", "rollback", "rollback", "rollback"]
    assert found["variant_id"].tolist()[1] == "b"
    assert found["summary"][1] == "Roll back b: Revenue is worse (-6.0%), beyond what chance explains."
    assert '"rule": "rollback_monitor"' in found["reasons"][1]


def test_harm_that_a_single_look_would_call_significant_does_not() -> None:
    """3 standard errors: p .0013 once, but the sequence allows for looking every day."""
    assert decided(history({START: Result(-0.3)}), [START])["recommendation"].tolist() == ["continue"]


def test_an_alarm_on_an_invalid_day_waits_for_a_valid_one() -> None:
    subject = make_experiment(primary=["revenue"])
    cases = [
        Case(subject, {("revenue", "b"): Result(-0.6)}, "sample_ratio_mismatch", START),
        Case(subject, {("revenue", "b"): Result(0.0)}, None, START + DAY),
    ]
    assert decided(cases, [START, START + DAY])["recommendation"].tolist() == ["invalid", "rollback"]


def test_an_earlier_alarm_precedes_a_win_at_the_end() -> None:
    """Visits, of two primaries, were harmed on a day that was invalid; the end finds revenue better."""
    subject = make_experiment(primary=["visits", "revenue"])
    early = Case(subject, {("visits", "b"): Result(-0.9), ("revenue", "b"): Result(0.9)}, "some_check", START)
    end = Case(subject, {("visits", "b"): Result(0.0), ("revenue", "b"): Result(0.9)}, None, END)
    assert decided([early, end], [END])["recommendation"].tolist() == ["rollback"]
    assert decided([end], [END])["recommendation"].tolist() == ["ship"]


@pytest.mark.parametrize("is_cumulative", [False, True])
def test_any_look_over_28_days_raises_a_false_alarm_at_most_with_its_level(is_cumulative: bool) -> None:
    """2,000 experiments without effect, 300 units an arm and day, level .025; also where old units' values grow."""
    runs, days, a_day = 2_000, 28, 300
    generator = np.random.default_rng(11)
    n = a_day * np.arange(1, days + 1)
    if is_cumulative:
        # Unit variances: an intensity of its own, and noise for each day since exposure.
        cohorts = generator.normal(0, np.sqrt(2 * a_day), (runs, days))
        growing = np.cumsum(np.cumsum(cohorts, axis=1), axis=1)
        noise = np.cumsum(generator.normal(0, np.sqrt(2 * n), (runs, days)), axis=1)
        total, day = growing + noise, np.arange(1, days + 1)
        variance = 2 * a_day * (np.cumsum(day**2) + np.cumsum(day))
        z = total / np.sqrt(variance)
    else:
        z = np.cumsum(generator.normal(0, 1, (runs, days)), axis=1) / np.sqrt(np.arange(1, days + 1))
    rows = pd.DataFrame(
        {
            "as_of_date": np.tile(pd.date_range(START, periods=days), runs),
            "experiment_id": np.repeat([f"e{run}" for run in range(runs)], days),
            "metric_id": "revenue", "variant_id": "b", "segment_name": "all", "status": "ok", "reason": "",
            "n_baseline": np.tile(n, runs), "n_treatment": np.tile(n, runs), "baseline_mean": 10.0,
            "treatment_mean": 10.0, "effect": z.ravel() * 0.1, "effect_se": 0.1,
        }
    )  # fmt: skip
    subject = make_experiment(primary=["revenue"])
    experiments = {f"e{run}": subject.model_copy(update={"id": f"e{run}"}) for run in range(runs)}
    frame = rollback_monitor(rows, experiments, METRICS)
    alarmed = frame.groupby("experiment_id")["is_harmful"].any()
    assert len(alarmed) == runs
    assert alarmed.mean() <= stats.binom.ppf(0.999, runs, 0.025) / runs
