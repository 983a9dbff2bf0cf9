"""The causes of a sample ratio mismatch: the stage, the cell and the share, from counts of units' states.

20,000 units of two arms in 10 days of September, 55 % of them on android, one in five in BR; one in two has an event
the day after, which is known then. What a test does to them is a tenth to a third of an arm in some cell.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from analysis.health.srm_causes import FailedLook, causes_frame, leading_causes, srm_causes
from analysis.health.unit_stages import JoinedSource, UnitStates
from configs.schema import Experiment
from tests.analysis.health.examples import METRICS, START, experiment

N, N_DAYS = 20_000, 10
AS_OF = START + timedelta(days=N_DAYS - 1)
SEGMENTS = ("platform", "country")
KEYS = ["known_from", "known_until", "exposed_date", "variant_id", "hashed_variant_id", "is_mixed", *SEGMENTS, "joined"]


def some_units(seed: int = 1, share_of_b: float = 0.5) -> pd.DataFrame:
    """A row per unit; `is_refused` and `is_lost` say that it is not among the exposed."""
    rng = np.random.default_rng(seed)
    exposed_date = pd.Timestamp(START) + pd.to_timedelta(rng.integers(0, N_DAYS, N), unit="D")
    variant = np.where(rng.random(N) < share_of_b, "b", "a")
    return pd.DataFrame(
        {
            "exposed_date": exposed_date,
            "known_from": exposed_date,
            "known_until": pd.NaT,
            "variant_id": variant,
            "hashed_variant_id": variant,
            "is_mixed": False,
            "platform": np.where(rng.random(N) < 0.55, "android", "ios"),
            "country": np.where(rng.random(N) < 0.2, "BR", "DE"),
            "joined": pd.Series(exposed_date + pd.Timedelta(days=1)).where(rng.random(N) < 0.5),
            "chance": rng.random(N),
        }
    )


def counted(units: pd.DataFrame, refused: pd.DataFrame | None = None) -> UnitStates:
    def counts(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
        return rows.groupby(list(keys), dropna=False).size().rename("n_units").reset_index()

    own_refused = counts(refused, [*KEYS[:5], *SEGMENTS]) if refused is not None else pd.DataFrame()
    return UnitStates(counts(units, KEYS), own_refused, SEGMENTS, {"shop": JoinedSource("joined", 2)})


def causes(
    units: UnitStates, *checks: str, subject: Experiment | None = None, as_of: date = AS_OF
) -> list[dict[str, object]]:
    looks = [FailedLook(as_of, frozenset(checks or ("sample_ratio_mismatch",)))]
    return srm_causes(subject or experiment(), METRICS, units, looks).to_dict("records")


def is_android_b(units: pd.DataFrame) -> pd.Series:
    return (units["platform"] == "android") & (units["variant_id"] == "b")


def test_units_missing_from_the_log_are_located_and_counted():
    units = some_units()
    units = units[~(is_android_b(units) & (units["chance"] < 0.2))]

    (cause,) = causes(counted(units))

    assert (cause["rank"], cause["stage"], cause["variant_id"]) == (1, "exposed", "b")
    assert (cause["first_segment"], cause["first_value"], cause["second_segment"]) == ("platform", "android", "")
    assert (cause["from_date"].date(), cause["to_date"].date()) == (START, AS_OF)
    android = units[units["platform"] == "android"]["variant_id"].value_counts()
    assert (cause["n_observed"], cause["n_expected"], cause["n_missing"]) == (
        *(android["b"], android["a"]),
        android["a"] - android["b"],
    )
    assert cause["share_explained"] > 0.9
    assert cause["p_value"] < 1e-9
    assert cause["message"] == (
        f"{cause['share_explained']:.0%} of the mismatch arises in b where platform = android on all days, which has"
        f" {android['b']:,} exposed units where {android['a']:,} would keep pace with the other arms:"
        f" {android['a'] - android['b']:,} are missing from the exposure log"
    )


def test_a_loss_that_began_on_a_day_has_that_day():
    units = some_units()
    units = units[~((units["exposed_date"] >= "2026-09-05") & (units["variant_id"] == "a") & (units["chance"] < 0.25))]

    (cause,) = causes(counted(units))

    assert (cause["variant_id"], cause["first_segment"]) == ("a", "")
    assert (cause["from_date"].date(), cause["to_date"].date()) == (date(2026, 9, 5), AS_OF)
    assert "arises in a from 2026-09-05 on" in cause["message"]


def test_two_causes_are_ranked_and_share_what_there_is():
    units = some_units()
    crash = is_android_b(units) & (units["chance"] < 0.3)
    outage = (units["exposed_date"] == "2026-09-04") & (units["variant_id"] == "b") & (units["platform"] == "ios")

    first, second = causes(counted(units[~crash & ~outage]))

    assert (first["first_value"], second["first_value"]) == ("android", "ios")
    assert second["from_date"] == second["to_date"] == pd.Timestamp("2026-09-04")
    assert 1 > first["share_explained"] > second["share_explained"] > 0
    assert first["share_explained"] + second["share_explained"] > 0.9


def test_refused_units_count_as_logged_and_are_a_stage_of_their_own():
    units = some_units()
    is_refused = is_android_b(units) & (units["chance"] < 0.2)

    (cause,) = causes(counted(units[~is_refused], units[is_refused]))

    assert (cause["stage"], cause["variant_id"], cause["first_value"]) == ("refused", "b", "android")
    assert cause["n_missing"] == is_refused.sum()
    assert "are refused at ingest, in quarantine" in cause["message"]


def test_units_given_another_variant_than_their_hash_are_told_from_lost_ones():
    units = some_units()
    is_moved = is_android_b(units) & (units["chance"] < 0.2)
    units["variant_id"] = units["variant_id"].mask(is_moved, "a")

    hashed = experiment(hashing={"salt": "s."})

    (cause,) = causes(counted(units), subject=hashed)
    assert (cause["stage"], cause["variant_id"], cause["first_value"]) == ("assigned", "b", "android")
    assert cause["n_missing"] == is_moved.sum()
    (unhashed,) = causes(counted(units))
    assert unhashed["stage"] == "exposed"


def test_units_left_out_as_mixed_are_the_cause_of_a_mismatch_among_matured_units():
    units = some_units()
    units["is_mixed"] = is_android_b(units) & (units["chance"] < 0.2)

    (cause,) = causes(counted(units), "sample_ratio_mismatch_matured")

    assert (cause["stage"], cause["variant_id"], cause["first_value"]) == ("mixed", "b", "android")
    # Units exposed until three days before have matured.
    assert cause["to_date"].date() == AS_OF - timedelta(days=3)
    assert not causes(counted(units), "sample_ratio_mismatch")


def test_units_without_events_are_a_stage_of_their_own_among_those_whose_window_has_passed():
    units = some_units()
    units["joined"] = units["joined"].mask(is_android_b(units) & (units["chance"] < 0.3))

    (cause,) = causes(counted(units), "event_loss")

    assert (cause["stage"], cause["source_id"], cause["variant_id"]) == ("joined", "shop", "b")
    assert (cause["first_segment"], cause["first_value"]) == ("platform", "android")
    assert cause["to_date"].date() == AS_OF - timedelta(days=2)
    assert "units with an event of shop" in cause["message"]
    assert not causes(counted(units), "sample_ratio_mismatch")


def test_an_event_counts_from_the_date_at_which_it_was_known():
    units = some_units()
    late = is_android_b(units) & (units["chance"] < 0.5) & units["joined"].notna()
    units["joined"] = units["joined"].mask(late, pd.Timestamp(AS_OF + timedelta(days=1)))

    assert causes(counted(units), "event_loss")[0]["n_missing"] > 500
    assert not causes(counted(units), "event_loss", as_of=AS_OF + timedelta(days=1))


def test_a_state_counts_while_it_holds():
    """On the last day b's units on android turn out to be mixed; before, nobody knew."""
    units = some_units()
    is_moved = is_android_b(units) & (units["chance"] < 0.4)
    before = units.assign(known_until=units["known_until"].mask(is_moved, pd.Timestamp(AS_OF)))
    after = units[is_moved].assign(known_from=pd.Timestamp(AS_OF), is_mixed=True)
    states = counted(pd.concat([before, after], ignore_index=True))
    checks = ("sample_ratio_mismatch", "sample_ratio_mismatch_matured")

    assert [cause["stage"] for cause in causes(states, *checks)] == ["mixed"]
    assert not causes(states, *checks, as_of=AS_OF - timedelta(days=1))


def test_units_are_held_against_the_weights_of_their_day():
    early, late = some_units(1, share_of_b=0.1), some_units(2, share_of_b=0.5)
    is_early = early["exposed_date"] < "2026-09-06"
    units = pd.concat([early[is_early], late[late["exposed_date"] >= "2026-09-06"]], ignore_index=True)
    epochs = [
        {"from": START, "weights": {"a": 0.9, "b": 0.1}},
        {"from": date(2026, 9, 6), "weights": {"a": 0.5, "b": 0.5}},
    ]

    assert not causes(counted(units), subject=experiment(allocation=epochs))
    (cause,) = causes(counted(units))
    assert (cause["variant_id"], cause["to_date"].date()) == ("b", date(2026, 9, 5))


def test_units_in_an_arm_of_zero_weight_are_the_whole_cause():
    variants = [{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.5}, {"id": "c", "weight": 0.0}]
    units = some_units()
    units["variant_id"] = units["variant_id"].mask(units["chance"] < 0.001, "c")

    (cause,) = causes(counted(units), subject=experiment(variants=variants))

    assert (cause["variant_id"], cause["n_expected"], cause["share_explained"]) == ("c", 0, 1)
    assert "are too many" in cause["message"]


@pytest.mark.parametrize("checks", [("sample_ratio_mismatch",), ("event_loss",), ("sample_ratio_mismatch_matured",)])
def test_units_in_order_name_nothing(checks):
    assert not [
        causes(counted(some_units(seed)), *checks) for seed in range(10) if causes(counted(some_units(seed)), *checks)
    ]


def test_before_anything_is_exposed_there_is_no_cause():
    assert causes(counted(some_units()), as_of=START - timedelta(days=1)) == []


def test_the_leading_cause_of_each_check_is_what_explains_most_of_it():
    units = some_units()
    units["joined"] = units["joined"].mask((units["country"] == "BR") & (units["variant_id"] == "a"))
    units = units[~(is_android_b(units) & (units["chance"] < 0.2))]
    looks = [FailedLook(AS_OF, frozenset({"sample_ratio_mismatch", "event_loss"}))]

    found = srm_causes(experiment(), METRICS, counted(units), looks)

    assert found["rank"].tolist() == [1, 2]
    leading = leading_causes(found)
    assert "platform = android" in leading["banner", pd.Timestamp(AS_OF), "sample_ratio_mismatch"]
    assert "country = BR" in leading["banner", pd.Timestamp(AS_OF), "event_loss"]
    assert leading_causes(causes_frame([])) == {}
