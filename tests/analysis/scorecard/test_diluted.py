"""Effects on everyone from the rows of triggered units: by hand, and why there is none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.scorecard import scorecard
from analysis.scorecard.diluted import diluted_effects
from configs.schema import Experiment, Trigger

TRIGGER = {"source": "shop", "event": "search", "counterfactual": True}


@pytest.fixture
def arms(units: Callable[..., pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {"control": units(1, 300), "treatment_1": units(2, 200, 0.2)}


@pytest.fixture
def diluted(
    arms: dict[str, pd.DataFrame],
    units: Callable[..., pd.DataFrame],
    moments_of: Callable[..., pd.DataFrame],
    metrics: dict[str, Any],
    not_blocked: pd.DataFrame,
    experiment: Callable[..., Experiment],
) -> Callable[..., pd.DataFrame]:
    """The table by metric; everyone is the triggered units and 700 and 800 others."""

    def build(*, trigger: dict[str, Any] = TRIGGER, has_everyone: bool = True, **analysis: Any) -> pd.DataFrame:
        subject = experiment(**analysis).model_copy(update={"trigger": Trigger.model_validate(trigger)})
        moments = moments_of(arms)
        rows = scorecard(moments, {"checkout": subject}, metrics, not_blocked)
        others = {name: pd.concat([arm, units(7, 1_000 - len(arm))]) for name, arm in arms.items()}
        if has_everyone:
            moments = pd.concat([moments, moments_of(others).assign(experiment_id="checkout/everyone")])
        return diluted_effects(rows, moments, {"checkout": subject}, metrics).set_index("metric_id")

    return build


def test_the_effect_on_everyone_is_the_share_times_that_on_triggered_units(diluted, arms, units) -> None:
    row = diluted(adjustment="none").loc["conversion"]
    control, treatment = (arm["conversion"] for arm in arms.values())
    effect, variance = treatment.mean() - control.mean(), treatment.var() / 200 + control.var() / 300
    everyone = pd.concat([control, units(7, 700)["conversion"]])

    assert (row["n_triggered"], row["n_everyone"], row["triggered_share"]) == (500, 2_000, 0.25)
    assert row["effect"] == pytest.approx(effect / 4)
    assert row["effect_se"] == pytest.approx(np.sqrt(variance / 16 + effect**2 * 0.25 * 0.75 / 2_000))
    assert row["baseline_mean"] == pytest.approx(everyone.mean())
    assert row["effect_relative"] == pytest.approx(effect / 4 / everyone.mean())
    assert row["ci_low"] < row["effect"] < row["ci_high"] and row["relative_ci_low"] < row["effect_relative"]
    assert (row["status"], row["reason"], row["method"]) == ("ok", "", "welch")


def test_an_adjusted_effect_is_diluted_as_it_is(diluted) -> None:
    plain, adjusted = diluted(adjustment="none").loc["revenue"], diluted().loc["revenue"]
    assert adjusted["method"] == "welch_cuped"
    assert adjusted["effect_se"] < plain["effect_se"]


def test_what_does_not_dilute_says_why(diluted) -> None:
    assert diluted().loc["basket", ["status", "reason"]].tolist() == [
        "not_computed",
        "an effect on a ratio does not dilute by a share of units",
    ]
    refused = diluted(trigger=TRIGGER | {"counterfactual": False}).loc["conversion"]
    assert refused["status"] == "not_computed" and "counterfactual: false" in refused["reason"]
    lost = diluted(has_everyone=False).loc["conversion"]
    assert (lost["status"], lost["reason"]) == ("not_computed", "everyone's moments are missing: run its dates again")
    assert np.isnan(refused["effect"])


def test_methods_of_many_looks_give_no_interval(diluted) -> None:
    row = diluted(method="always_valid", always_valid={"burn_in": 2, "burn_in_units": 2}).loc["conversion"]
    assert row["reason"] == "no intervals: method always_valid looks more than once"
    assert np.isfinite(row["effect_se"]) and np.isnan(row["ci_low"])
