"""Decisions by main effects: which cell is recommended, and what holds it back.

Cells have 100 units of variance 4, so a main effect has a standard error of .2.
"""

import json
from typing import Any

import pandas as pd

from analysis.decisions import decisions
from analysis.factorial.tables import factorial_effects
from configs.schema import Experiment
from tests.analysis.factorial.examples import DAY, METRICS, crossed, moments, scorecard

FLAT = {"red-small": 5.0, "red-large": 5.0, "blue-small": 5.0, "blue-large": 5.0}
BLUE = {"red-small": 5.0, "red-large": 5.0, "blue-small": 6.0, "blue-large": 6.0}
BOTH = {"red-small": 5.0, "red-large": 6.0, "blue-small": 6.0, "blue-large": 7.0}
TOGETHER = {"red-small": 5.0, "red-large": 5.0, "blue-small": 5.0, "blue-large": 9.0}


def decide(experiment: Experiment, cells: dict[str, float], n: float = 100, **columns: Any) -> pd.Series:
    rows = scorecard(experiment, **columns)
    effects = factorial_effects(rows, moments("clicks", cells, n), {"button": experiment}, METRICS)
    health = pd.DataFrame(
        [{"as_of_date": DAY, "experiment_id": "button", "check_name": "sample_ratio_mismatch", "severity": "error",
          "passed": True, "statistic": 0.0, "message": ""}]
    )  # fmt: skip
    found = decisions(rows, health, {"button": experiment}, METRICS, [DAY], factorial_effects=effects).iloc[0].copy()
    found["reasons"] = json.loads(found["reasons"])
    return found


def rules(decision: pd.Series) -> set[tuple[str, str]]:
    return {(reason["rule"], reason["outcome"]) for reason in decision["reasons"]}


def test_the_cell_of_the_winning_level_ships_with_the_others_at_their_baselines() -> None:
    decision = decide(crossed(), BLUE)
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "blue-small")
    assert decision["summary"] == "Ship blue-small: Clicks is better (colour=blue: +20.0%, between +11.0% and +29.0%)."
    assert rules(decision) == {("primary_better", "ship"), ("primary_better", "stop")}


def test_winning_levels_of_two_factors_ship_together() -> None:
    decision = decide(crossed(), BOTH)
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "blue-large")


def test_an_interaction_forbids_to_ship_by_averages() -> None:
    decision = decide(crossed(), TOGETHER)
    assert (decision["recommendation"], decision["variant_id"]) == ("review", "blue-large")
    assert "colour:size interact on Clicks (+2, adjusted p" in decision["summary"]
    assert ("interaction", "review") in rules(decision)


def test_opposite_effects_that_cancel_are_no_reason_to_stop() -> None:
    decision = decide(crossed(), {"red-small": 5.0, "red-large": 6.0, "blue-small": 6.0, "blue-large": 5.0})
    assert decision["recommendation"] == "review" and pd.isna(decision["variant_id"])
    assert decision["summary"].startswith("Review: colour:size interact on Clicks (-1,")


def test_without_a_better_level_it_stops() -> None:
    decision = decide(crossed(), FLAT)
    assert decision["recommendation"] == "stop"
    assert "Clicks in colour=blue" in decision["summary"] and "Clicks in size=large" in decision["summary"]


def test_units_and_planned_power_hold_back() -> None:
    few = decide(crossed(), BLUE, n_treatment=99)
    assert few["recommendation"] == "review" and ("minimum_units", "review") in rules(few)
    # A change of 2 % is .1, half a standard error: the chance to find it is some 5 %.
    planned = crossed(analysis={"minimum_days": 7, "minimum_units": 100, "minimum_detectable_effect": 0.02})
    weak = decide(planned, FLAT)
    assert weak["recommendation"] == "review" and ("planned_power", "review") in rules(weak)


def test_harm_in_a_cell_goes_before_a_win() -> None:
    rows = {"p_value_deterioration": 1e-6, "effect": -1.0, "effect_relative": -0.2}
    decision = decide(crossed(), BLUE, **rows)
    assert decision["recommendation"] == "rollback" and ("deterioration", "rollback") in rules(decision)


def test_a_guardrail_is_held_in_the_cell_itself() -> None:
    guarded = crossed(
        metrics={"primary": ["clicks"], "guardrail": [{"metric": "views", "non_inferiority_margin": 0.1}]}
    )
    unproven = decide(guarded, BLUE, p_value_non_inferiority=0.2)
    assert (unproven["recommendation"], unproven["variant_id"]) == ("review", "blue-small")
    assert "Views is not proven to be within its margin" in unproven["summary"]
    assert decide(guarded, BLUE, p_value_non_inferiority=0.01)["recommendation"] == "ship"


def test_a_winner_of_a_coarse_fraction_is_to_be_confirmed() -> None:
    factors = {"a": ("0", "1"), "b": ("0", "1"), "c": ("0", "1")}
    cells = {"0-0-0": 5.0, "0-1-1": 6.0, "1-0-1": 6.0, "1-1-0": 5.0}
    decision = decide(crossed(factors=factors, fraction=["c = -a*b"]), cells)
    assert decision["recommendation"] == "review" and pd.isna(decision["variant_id"])
    assert {("aliased", "review"), ("not_run", "review")} <= rules(decision)


def test_a_finer_fraction_ships_a_cell_that_was_run() -> None:
    factors = dict.fromkeys("abcd", ("0", "1"))
    experiment = crossed(factors=factors, fraction=["d = a*b*c"])
    cells = {variant.id: 6.0 if variant.id[0] == variant.id[6] == "1" else 5.0 for variant in experiment.variants}
    wanted = {"0": 5.0, "1": 6.0}
    cells = {name: wanted[name[0]] + wanted[name[6]] for name in cells}
    decision = decide(experiment, cells)
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "1-0-0-1")


def test_effects_that_lack_data_leave_the_end_open() -> None:
    decision = decide(crossed(), {name: 5.0 for name in FLAT if name != "blue-large"})
    assert decision["recommendation"] == "review" and "a cell has no units" in decision["summary"]
