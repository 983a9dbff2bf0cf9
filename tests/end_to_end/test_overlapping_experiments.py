"""What lies in the logs of forty overlapping experiments is found, each in its own table, and nothing else is."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.end_to_end import overlapping_experiments as shop
from tests.end_to_end.pipeline import run, tables

pytestmark = pytest.mark.long

LAST = pd.Timestamp(shop.DAYS[-1])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Two runs, so that tables of the latest date alone have had another one; and the units."""
    workspace, units = shop.write(tmp_path_factory.mktemp("overlapping"))
    run(workspace, shop.DAYS[0], shop.DAYS[2])
    run(workspace, shop.DAYS[3], shop.DAYS[3])
    return tables(workspace.state), units


def test_two_interacting_experiments_are_found_among_forty(published):
    pairs = published[0]["experiment_overlaps"]
    assert (len(pairs), set(pairs["as_of_date"]), set(pairs["status"])) == (780, {LAST}, {"ok"})
    (found,) = pairs[pairs["significant"]].to_dict("records")
    assert (found["experiment_id"], found["other_experiment_id"]) == (shop.INTERACTING[1], shop.INTERACTING[0])
    assert found["ci_low"] < 0.8 < found["ci_high"]
    assert found["n_units"] == shop.N_UNITS


def test_an_interaction_is_the_difference_of_differences_of_the_units(published):
    pairs, units = published[0]["experiment_overlaps"], published[1]
    for other, one in (shop.INTERACTING, ("e03", shop.PARADOX), ("e30", "e39")):
        one, other = max(one, other), min(one, other)
        row = pairs[(pairs["experiment_id"] == one) & (pairs["other_experiment_id"] == other)].iloc[0]
        kept = units[~units["is_lost"] | (shop.PARADOX not in (one, other))]
        cells = kept.groupby([one, other])["spend_0"].agg(["mean", "var", "size"])
        signs = np.array([1, -1, -1, 1])
        assert row["interaction"] == pytest.approx((signs * cells["mean"]).sum(), rel=1e-9)
        assert row["interaction_se"] == pytest.approx(np.sqrt((cells["var"] / cells["size"]).sum()), rel=1e-9)
        assert row["n_units"] == len(kept)


def test_a_segment_with_another_effect_is_found(published):
    tests = published[0]["segment_interactions"]
    assert set(tests["as_of_date"]) == {LAST}
    assert set(tests["experiment_id"]) == {shop.SEGMENTED, shop.PARADOX}
    own = tests[tests["experiment_id"] == shop.SEGMENTED].set_index(["segment_name", "term"])
    pair = "country, device"
    assert own.index[own["significant"]].tolist() == [("country", "segments"), (pair, "country"), (pair, "segments")]
    assert not own.loc[(pair, "interaction"), "significant"] and not own.loc[(pair, "device"), "significant"]
    cells = published[0]["segment_effects"].query(f"experiment_id == '{shop.SEGMENTED}' and segment_name == '{pair}'")
    assert cells["segment_value"].tolist() == ["DE, desktop", "DE, mobile", "FR, desktop", "FR, mobile"]
    error = (cells["shrunken_effect"] - [0, 0, 1.2, 1.2]) / cells["shrunken_sd"]
    assert (error.abs() < 4).all() and cells["shrinkage"].between(0, 0.2).all()


def test_a_fading_effect_is_novelty_and_a_note_of_the_decision(published):
    trends = published[0]["effect_trends"].set_index("term")
    slope = trends.loc["slope"]
    assert (slope["experiment_id"], slope["as_of_date"], slope["finding"]) == (shop.FADING, LAST, "novelty")
    # 1.2, .6 and 0 on a baseline of 11.5 fall by .6 a day.
    assert slope["ci_low"] < -0.6 / 11.5 < slope["ci_high"] < 0
    assert trends.loc["last_week_less_first", "reason"] == "14 complete days since exposure are needed, 3 are there"
    assert noted(published, shop.FADING) == [
        ("novelty", "the effect of new on spend fades: by its slope over 3 days since exposure")
    ]


def test_a_reversed_effect_is_named_in_the_decision(published):
    mix = published[0]["segment_mixes"].query(f"experiment_id == '{shop.PARADOX}'").iloc[0]
    assert mix["pooled_effect"] < 0 < mix["standardised_effect"]
    assert (mix["finding"], mix["n_opposed"]) == ("reversal", 2)
    ((rule, message),) = noted(published, shop.PARADOX)
    decisions = published[0]["decisions"].query(f"experiment_id == '{shop.PARADOX}'").set_index("as_of_date")
    assert rule == "reversal" and message in decisions.loc[LAST, "summary"]
    assert "reversal" not in decisions.loc[pd.Timestamp(shop.DAYS[2]), "reasons"]


def noted(published, experiment_id):
    rows = published[0]["decisions"]
    last = rows[(rows["experiment_id"] == experiment_id) & (rows["as_of_date"] == LAST)].iloc[0]
    findings = ("novelty", "primacy", "reversal", "mix_shift", "most_opposed")
    return [(one["rule"], one["message"]) for one in json.loads(last["reasons"]) if one["rule"] in findings]
