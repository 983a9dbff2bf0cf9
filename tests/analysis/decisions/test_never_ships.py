"""No reachable combination of results, rule, method and dates ships without its proofs."""

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.decisions import decisions
from analysis.decisions.monitor import rollback_monitor
from analysis.periods import analysis_end
from tests.analysis.decisions.examples import METRICS, Case, Result, make_experiment

SEQUENTIAL = ("always_valid", "group_sequential")

any_result = st.builds(
    Result,
    effect=st.sampled_from([-0.6, -0.3, 0.0, 0.3, 0.6]),
    se=st.sampled_from([0.05, 0.1]),
    n=st.sampled_from([5_000, 5_000, 500]),
    status=st.sampled_from(["ok", "ok", "ok", "ok", "skewed", "no_covariate", "incomplete", "overflow", "missing"]),
    margin=st.sampled_from([0.5, 0.05]),
    is_futile=st.booleans(),
)


@st.composite
def generated_cases(draw: st.DrawFn) -> dict[str, Any]:
    """An experiment that would ship in every treatment, but for up to three metrics with any result at all.

    It is looked at on up to three dates; the exceptions may differ between them.
    """
    ids = draw(st.permutations(["conversion", "revenue", "visits", "latency", "tickets"]))
    n_primary, n_guardrail = draw(st.integers(1, 2)), draw(st.integers(0, 2))
    arms = draw(st.sampled_from([["b"], ["b", "c"]]))
    n_decisive = n_primary + n_guardrail
    good = {(id_, arm): Result(0.6 if METRICS[id_].direction == "increase" else -0.6) for id_ in ids for arm in arms}
    exceptions = st.dictionaries(st.sampled_from(sorted(good)), any_result, max_size=3)
    checks = st.sampled_from([None, None, None, "sample_ratio_mismatch"])
    days = draw(st.lists(st.sampled_from([0, 0, 1, 10, 14]), min_size=1, max_size=3, unique=True))
    return {
        "experiment": {
            "primary": ids[:n_primary],
            "guardrail": ids[n_primary:n_decisive],
            "secondary": ids[n_decisive : n_decisive + draw(st.integers(0, 1))],
            "treatments": arms,
            "rule": draw(st.sampled_from(["risk_aware", "clear_signals", "do_no_harm"])),
            "method": draw(st.sampled_from(["fixed", "always_valid", "group_sequential", "bayesian"])),
            "correction": draw(st.sampled_from(["holm", "bonferroni", "none"])),
            "minimum_detectable_effect": draw(st.sampled_from([None, None, 0.001, 0.05])),
            "minimum_days": draw(st.sampled_from([7, 7, 7, 15])),
        },
        "looks": [(before, good | draw(exceptions), draw(checks)) for before in sorted(days, reverse=True)],
    }


def check(parts: dict[str, Any]) -> None:
    """Take the decisions of all looks; of each first `ship`, find every proof in the rows of its date."""
    experiment = make_experiment(**parts["experiment"])
    due = analysis_end(experiment, METRICS)
    cases = [
        Case(
            experiment,
            {key: result for key, result in cells.items() if key[0] in experiment.metrics.roles},
            failed,
            due - timedelta(days=before),
        )
        for before, cells, failed in parts["looks"]
    ]
    scorecard, health = (pd.concat([getattr(case, name)() for case in cases]) for name in ("scorecard", "health"))
    found = decisions(scorecard, health, {"banner": experiment}, METRICS, [case.as_of for case in cases])
    assert found["recommendation"].isin(["ship", "continue", "stop", "rollback", "invalid", "review"]).all()
    assert (found["summary"].str.len() > 0).all()
    assert (found["reasons"] != "[]").all()
    ships = found[found["recommendation"] == "ship"]
    for case in cases:
        row = ships[ships["as_of_date"] == pd.Timestamp(case.as_of)]
        if not row.empty:
            must_be_proven(case, scorecard, row["variant_id"].iloc[0])
            return


def must_be_proven(case: Case, scorecard: pd.DataFrame, variant_id: str) -> None:
    """What `variant_id`, first shipped at the case's date, has to show."""
    experiment, rows = case.experiment, case.scorecard()
    assert case.failed_check is None
    gates = experiment.analysis
    days = (min(case.as_of, experiment.end) - experiment.start).days + 1
    assert days >= gates.minimum_days
    assert gates.method in SEQUENTIAL or case.as_of >= analysis_end(experiment, METRICS)
    n_tests = len(experiment.metrics.roles) * len(experiment.treatments)
    assert not (rows["p_value_deterioration"] < 0.025 / n_tests).any()
    monitor = rollback_monitor(scorecard, {"banner": experiment}, METRICS)
    assert not monitor[monitor["as_of_date"] <= pd.Timestamp(case.as_of)]["is_harmful"].any()
    shipped = rows[rows["variant_id"] == variant_id].set_index("metric_id")
    for guardrail in experiment.metrics.guardrail:
        assert shipped.loc[guardrail.metric, "p_value_non_inferiority"] < 0.05
    goals = shipped.loc[list(experiment.metrics.primary)]
    assert (goals[["n_baseline", "n_treatment"]] >= 1_000).all(axis=None)
    family = len(goals) * len(experiment.treatments)
    level = 0.05 / family if experiment.decision.rule == "risk_aware" else 0.05
    if experiment.decision.rule == "do_no_harm":
        assert (goals["p_value_non_inferiority"] < 0.05).all()
        return
    better = goals["probability_better"] >= 1 - level if gates.method == "bayesian" else goals["p_value"] < level
    improved = better & (goals["probability_better"] > 0.5)
    assert improved.any() if experiment.decision.rule == "risk_aware" else improved.all()


@settings(max_examples=50, deadline=None)
@given(generated_cases())
def test_ship_is_never_recommended_without_its_proofs(parts: dict[str, Any]) -> None:
    check(parts)


@pytest.mark.slow
@settings(max_examples=5_000, deadline=None)
@given(generated_cases())
def test_ship_is_never_recommended_without_its_proofs_in_many_cases(parts: dict[str, Any]) -> None:
    check(parts)
