"""From scorecard and moments to the tables of segments."""

import numpy as np
import pandas as pd
import pytest

from analysis.heterogeneity.build import Heterogeneity, heterogeneity
from analysis.heterogeneity.columns import INTERACTION_COLUMNS, MIX_COLUMNS, SEGMENT_EFFECT_COLUMNS
from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.homogeneity import homogeneity
from analysis.heterogeneity.shrinkage import shrunken
from analysis.statistics.multiplicity import benjamini_hochberg
from configs.schema import Experiment
from tests.analysis.heterogeneity.examples import METRICS, draw_units, make_experiment, moments_of, scored

ALIKE = {"AT": 0.5, "DE": 0.5, "FR": 0.5, "IT": 0.5}
APART = {"AT": 0.0, "DE": 0.0, "FR": 0.0, "IT": 4.0}


def found(moments: pd.DataFrame, *experiments: Experiment) -> Heterogeneity:
    named = {one.id: one for one in experiments}
    return heterogeneity(scored(moments, *experiments), moments, named, METRICS)


@pytest.fixture(scope="module")
def apart() -> Heterogeneity:
    return found(moments_of(draw_units(1, 8_000, APART)), make_experiment())


def test_effects_that_differ_are_found_and_others_are_not(apart: Heterogeneity) -> None:
    alike = found(moments_of(draw_units(2, 8_000, ALIKE)), make_experiment()).interactions
    tests = apart.interactions.set_index(["metric_id", "segment_name", "term"])
    assert tests.loc[("revenue", "country", "segments"), "p_value_adjusted"] < 1e-6
    assert tests.loc[("adjusted", "country", "segments"), "significant"]
    assert not alike["significant"].any()
    assert tests.loc[("revenue", "country, device", "country"), "p_value"] < 1e-6
    assert tests.loc[("revenue", "country, device", "interaction"), "p_value"] > 0.01
    assert tests.loc[("revenue", "device", "segments"), "p_value"] > 0.01
    # Effects of 0, 0, 0 and 4 have a standard deviation of 2.
    spread = tests.loc[("revenue", "country", "segments")]
    assert spread["tau"] == pytest.approx(2, abs=0.5) and spread["tau_low"] < 2 < spread["tau_high"]


def test_tables_have_their_columns_and_a_row_for_everything(apart: Heterogeneity) -> None:
    assert list(apart.interactions) == list(INTERACTION_COLUMNS)
    assert list(apart.segment_effects) == list(SEGMENT_EFFECT_COLUMNS)
    assert list(apart.mixes) == list(MIX_COLUMNS)
    # 4 metrics × (2 dimensions + 4 rows of their pair); × (4 countries + 2 devices + 8 cells).
    assert (len(apart.interactions), len(apart.segment_effects), len(apart.mixes)) == (24, 56, 12)
    assert apart.interactions["reason"].str.startswith("exploratory").all()


def test_rows_are_those_of_the_functions(apart: Heterogeneity) -> None:
    effects = apart.segment_effects.query("metric_id == 'basket' and segment_name == 'country'")
    group = Groups(np.zeros(4, dtype=np.int64))
    effect, se = effects["effect"].to_numpy(), effects["effect_se"].to_numpy()
    row = apart.interactions.query("metric_id == 'basket' and segment_name == 'country'").iloc[0]
    large = homogeneity(effect, se, np.full(4, np.inf), group)
    assert row["statistic"] == pytest.approx(large.statistic[0], rel=1e-12)
    assert row["method"] == "cochran_q"
    # Some 2,000 units a country: degrees of freedom hardly matter, but they are Satterthwaite's.
    assert 1_000 < row["df_denominator"] < 10_000
    assert effects["shrunken_effect"].to_numpy() == pytest.approx(
        shrunken(effect, se, np.full(4, np.inf), group).effect, rel=1e-2
    )
    z = (effects["shrunken_ci_high"] - effects["shrunken_effect"]) / effects["shrunken_sd"]
    assert z.to_numpy() == pytest.approx(1.959964, rel=1e-6)


def test_metrics_with_a_covariate_share_their_adjustment(apart: Heterogeneity) -> None:
    rows = apart.interactions.query("segment_name == 'country'").set_index("metric_id")
    assert rows.loc["adjusted", "method"] == "wald"
    assert rows.loc["adjusted", "common_effect_se"] < 0.6 * rows.loc["revenue", "common_effect_se"]


def test_families_are_by_role_and_by_what_was_planned() -> None:
    moments = moments_of(draw_units(3, 4_000, APART))
    tests = found(moments, make_experiment(preregistered_segments=["country"])).interactions
    planned = tests[tests["segment_name"] == "country"]
    assert not planned["reason"].str.contains("exploratory").any()
    secondary = planned[planned["role"] == "secondary"]
    expected = benjamini_hochberg(secondary["p_value"].to_numpy(), np.zeros(len(secondary), dtype=np.int64))
    assert secondary["p_value_adjusted"].to_numpy() == pytest.approx(expected)
    primary = planned[planned["role"] == "primary"]
    assert primary["p_value_adjusted"].to_numpy() == pytest.approx(primary["p_value"].to_numpy())
    assert tests.loc[tests["segment_name"] == "device", "reason"].str.startswith("exploratory").all()


def test_an_experiment_does_not_depend_on_others() -> None:
    moments = [moments_of(draw_units(seed, 2_000, APART), id_) for seed, id_ in ((4, "checkout"), (5, "search"))]
    alone = found(moments[0], make_experiment())
    both = found(pd.concat(moments), make_experiment(), make_experiment("search"))
    for name in ("interactions", "segment_effects", "mixes"):
        mine = getattr(both, name).query("experiment_id == 'checkout'").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, getattr(alone, name), rtol=1e-12)


def test_a_small_segment_is_left_out_and_said_to_be() -> None:
    units = draw_units(6, 4_000, APART)
    rare = units["country"] == "IT"
    units = units[~rare | (rare.cumsum() <= 15)]
    result = found(moments_of(units, pairs=False), make_experiment())
    row = result.interactions.query("metric_id == 'revenue' and segment_name == 'country'").iloc[0]
    assert (row["n_segments"], row["n_used"], row["status"]) == (4, 3, "ok")
    assert "1 segments left out: 1 too small" in row["reason"]
    italy = result.segment_effects.query("metric_id == 'revenue' and segment_value == 'IT'").iloc[0]
    assert italy["status"] == "too_few_units" and np.isnan(italy["shrunken_effect"])
    assert italy["reason"] == "the smaller arm expects fewer than 10 units"


def test_shares_need_events_in_a_segment() -> None:
    units = draw_units(7, 4_000, APART)
    units["conversion"] = units["conversion"].where(units["country"] != "IT", 0.0)
    units.loc[units.index[units["country"] == "IT"][:4], "conversion"] = 1.0
    row = found(moments_of(units, pairs=False), make_experiment()).segment_effects
    italy = row.query("metric_id == 'conversion' and segment_value == 'IT'").iloc[0]
    assert italy["reason"] == "the smaller arm expects fewer than 5 events or non-events"


def test_two_segments_are_tested_but_not_shrunken() -> None:
    result = found(moments_of(draw_units(8, 3_000, {"AT": 0.0, "DE": 4.0}), pairs=False), make_experiment())
    row = result.interactions.query("metric_id == 'revenue' and segment_name == 'country'").iloc[0]
    assert row["significant"] and row["df"] == 1
    effects = result.segment_effects
    assert (effects["status"] == "too_few_segments").all() and effects["shrunken_effect"].isna().all()
    assert effects["reason"].str.startswith("not shrunken").all()


def test_one_segment_cannot_be_compared() -> None:
    result = found(moments_of(draw_units(9, 2_000, {"AT": 0.0}), pairs=False), make_experiment())
    row = result.interactions.query("metric_id == 'revenue' and segment_name == 'country'").iloc[0]
    assert row["status"] == "too_few_segments" and np.isnan(row["p_value"])
    assert row["reason"] == "1 of 1 segments can be compared, 2 are needed"


def test_what_the_scorecard_could_not_compute_keeps_its_status() -> None:
    moments = moments_of(draw_units(10, 2_000, APART), pairs=False)
    card = scored(moments, make_experiment())
    card.loc[card["metric_id"] == "revenue", ["status", "reason"]] = ["incomplete", "logs of a day are missing"]
    result = heterogeneity(card, moments, {"checkout": make_experiment()}, METRICS)
    for table in (result.interactions, result.segment_effects, result.mixes):
        rows = table[table["metric_id"] == "revenue"]
        assert (rows["status"] == "incomplete").all()
        assert (rows["reason"] == "logs of a day are missing").all()
    assert (result.interactions.query("metric_id == 'basket'")["status"] == "ok").all()


def test_a_reversal_is_named_with_the_segment_that_explains_it() -> None:
    """Countries at different levels, the lowest half as often in the treatment, whose effect is negative in all."""
    units = draw_units(11, 8_000, dict.fromkeys(ALIKE, -2.0))
    units["revenue"] += np.where(units["country"] == "IT", 0.0, 30.0)
    gone = (units["country"] == "IT") & (units["variant_id"] == "treatment")
    units = units[~gone | (gone.cumsum() % 2 == 0)]
    moments = moments_of(units, pairs=False)
    row = found(moments, make_experiment()).mixes.query("metric_id == 'revenue' and segment_name == 'country'").iloc[0]
    assert (row["finding"], row["status"], row["segment_value"]) == ("reversal", "ok", "IT")
    assert row["pooled_effect"] > 1 and row["standardised_effect"] == pytest.approx(-2, abs=0.7)
    assert row["n_opposed"] == 4 and row["opposed_share"] == pytest.approx(1)
    assert "IT is 14." in row["reason"] and "% of the treatment and 2" in row["reason"]


def test_arms_of_one_mix_have_no_finding(apart: Heterogeneity) -> None:
    alike = apart.mixes.query("segment_name == 'country'")
    assert (alike["finding"] == "none").all() and (alike["reason"] == "").all()
    assert alike["pooled_effect"].to_numpy() == pytest.approx(
        (alike["standardised_effect"] + alike["mix_effect"]).to_numpy(), rel=1e-9
    )


def test_an_effect_of_one_large_segment_that_most_do_not_share() -> None:
    units = draw_units(12, 12_000, {"AT": -1.0, "DE": -1.0, "FR": -1.0, "IT": 9.0})
    row = found(moments_of(units, pairs=False), make_experiment()).mixes
    row = row.query("metric_id == 'revenue' and segment_name == 'country'").iloc[0]
    assert row["finding"] == "most_opposed" and row["opposed_share"] == pytest.approx(0.75, abs=0.02)
    assert row["reason"].endswith("of the units point the other way than the effect on everybody")


def test_nothing_in_gives_typed_nothing() -> None:
    moments = moments_of(draw_units(13, 500, APART), pairs=False)
    whole = moments[moments["segment_name"] == "all"]
    result = heterogeneity(scored(whole, make_experiment()), whole, {"checkout": make_experiment()}, METRICS)
    for table, columns in (
        (result.interactions, INTERACTION_COLUMNS),
        (result.segment_effects, SEGMENT_EFFECT_COLUMNS),
        (result.mixes, MIX_COLUMNS),
    ):
        assert table.empty and list(table) == list(columns)


def test_moments_that_lack_a_column_are_refused() -> None:
    moments = moments_of(draw_units(14, 500, APART), pairs=False)
    card = scored(moments, make_experiment())
    with pytest.raises(ValueError, match="moments lack the columns variance"):
        heterogeneity(card, moments.drop(columns="variance"), {"checkout": make_experiment()}, METRICS)
