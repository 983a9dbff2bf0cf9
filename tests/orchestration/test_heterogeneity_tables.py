"""One experiment, or one pair, that cannot be computed leaves rows that say so, and the others as they are."""

from itertools import product
from types import SimpleNamespace

import duckdb
import numpy as np
import pandas as pd
import pytest

from orchestration.overlap_tables import overlap_rows
from orchestration.planning import PlannedBuild
from orchestration.segment_tables import segment_interaction_rows
from tests.analysis.heterogeneity.examples import METRICS, draw_units, make_experiment, moments_of, scored


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        for schema in ("marts", "results", "runs", "inputs"):
            opened.execute(f"create schema {schema}")
        yield opened


def put(connection, name: str, frame: pd.DataFrame) -> None:
    connection.register("frame", frame)
    connection.execute(f"create or replace table {name} as from frame")
    connection.unregister("frame")


def inputs_of(*ids: str) -> SimpleNamespace:
    experiments = {id_: make_experiment(id_) for id_ in ids}
    return SimpleNamespace(config=SimpleNamespace(experiments=experiments, metrics=METRICS))


def cells(one: str, other: str) -> pd.DataFrame:
    blank = dict.fromkeys(("denominator_mean", "denominator_variance", "denominator_covariance"), np.nan)
    rows = [
        {
            "variant_id": a,
            "other_variant_id": b,
            "n_units": 100,
            "mean": mean,
            "variance": 1.0,
            "third_central_moment": 0.0,
        }
        for (a, b), mean in zip(product(["control", "treatment"], repeat=2), (1.0, 2.0, 3.0, 9.0), strict=True)
    ]
    keys = {"as_of_date": pd.Timestamp("2026-10-04"), "experiment_id": one, "other_experiment_id": other}
    return pd.DataFrame(rows).assign(**keys, metric_id="revenue", **blank)


def test_a_pair_that_fails_leaves_the_other_pairs(connection):
    sound, twice = cells("e2", "e1"), cells("e3", "e1")
    put(connection, "marts.fct_overlap_moments", pd.concat([sound, twice, twice]))
    scorecard = {"as_of_date": sound["as_of_date"], "experiment_id": "e2", "metric_id": "other", "segment_name": "all"}
    put(connection, "results.scorecard", pd.DataFrame(scorecard | {"status": "overflow", "reason": "too large"}))

    rows = overlap_rows(connection, inputs_of("e1", "e2", "e3"), []).set_index("experiment_id")

    assert rows.loc["e3", "status"] == "failed"
    assert rows.loc["e3", "reason"].startswith("computation failed: ValueError: overlap moments hold a cell twice")
    assert (rows.loc["e2", "status"], rows.loc["e2", "interaction"]) == ("ok", pytest.approx(9 - 3 - 2 + 1))


def test_an_interaction_of_a_metric_without_a_result_has_none_either(connection):
    own = cells("e2", "e1")
    put(connection, "marts.fct_overlap_moments", own)
    scorecard = {"as_of_date": own["as_of_date"], "experiment_id": "e2", "metric_id": "revenue", "segment_name": "all"}
    put(connection, "results.scorecard", pd.DataFrame(scorecard | {"status": "overflow", "reason": "too large"}))

    (row,) = overlap_rows(connection, inputs_of("e1", "e2"), []).to_dict("records")

    assert (row["status"], row["reason"]) == ("overflow", "too large")
    assert np.isnan(row["interaction"])


def test_an_experiment_that_fails_leaves_the_others(connection):
    moments = moments_of(draw_units(1, 2_000, {"AT": 0.0, "DE": 0.0, "FR": 2.0}))
    experiment = make_experiment()
    day = pd.to_datetime(moments["as_of_date"]).iloc[0]
    broken_moments = moments.assign(experiment_id="broken")
    inputs = inputs_of(experiment.id, "broken")
    card = scored(moments, experiment)
    put(connection, "results.scorecard", pd.concat([card, card.assign(experiment_id="broken")]))
    put(connection, "marts.fct_metric_moments", pd.concat([moments, broken_moments, broken_moments]))
    nothing = moments.head(0).assign(covariate="", other="", mean=0.0, covariance=0.0)
    put(connection, "marts.fct_covariate_moments", nothing)
    plans = [
        PlannedBuild(id_, day.date(), day.date(), day.date(), is_rebuild=False) for id_ in (experiment.id, "broken")
    ]
    put(connection, "runs.plan", pd.DataFrame([vars(plan) for plan in plans]))
    put(connection, "inputs.experiments", pd.DataFrame({"experiment_id": ["broken"], "analysis_end_date": [day]}))

    rows = segment_interaction_rows(connection, inputs, plans)

    assert set(rows.loc[rows["experiment_id"] == "broken", "status"]) == {"failed"}
    assert "failed" not in set(rows.loc[rows["experiment_id"] == experiment.id, "status"])
    assert rows.loc[rows["experiment_id"] == experiment.id, "significant"].any()
    for table in ("segment_effects", "segment_mixes"):
        found = connection.execute(f"from results.{table}").df()
        assert set(found.loc[found["experiment_id"] == "broken", "status"]) == {"failed"}
        assert "failed" not in set(found.loc[found["experiment_id"] == experiment.id, "status"])
