"""Allocations in the pipeline: ratios are held against the day's own shares, and one bandit never stops another."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from analysis.health import HealthData
from configs.schema import Experiment
from orchestration import bandits as module
from orchestration.bandits import BanditData, read_bandits, with_allocations
from orchestration.planning import PlannedBuild
from tests.analysis.bandits.test_tables import (
    METRICS,
    NOTHING_BLOCKED,
    allocations,
    bandit,
    batch_moments,
    whole_moments,
)

AS_OF = pd.Timestamp(2026, 10, 3).date()


def read(experiments: dict[str, Experiment]) -> BanditData | None:
    plans = [PlannedBuild(id_, one.start, AS_OF, AS_OF, False) for id_, one in experiments.items()]
    batches, whole = batch_moments(), whole_moments()
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        connection.register("batches", batches)
        connection.register("whole", whole)
        connection.execute("create table marts.fct_batch_moments as from batches")
        connection.execute("create table marts.fct_metric_moments as from whole")
        return read_bandits(connection, experiments, METRICS, plans, lambda *_: NOTHING_BLOCKED)


def test_counts_are_held_against_the_shares_of_their_day() -> None:
    counts = pd.DataFrame(
        {
            "experiment_id": "headline",
            "as_of_date": pd.Timestamp(2026, 10, 3),
            "epoch": [0, 0, 1, 1, 2, 2],
            "variant_id": ["a", "b"] * 3,
            "weight": 0.5,
        }
    )
    found = read({"headline": bandit()})
    assert found is not None
    given = BanditData(**{**vars(found), "allocations": allocations()})
    health = HealthData(**{name: pd.DataFrame() for name in HealthData.__dataclass_fields__} | {"epoch_counts": counts})
    weights = with_allocations(health, given).epoch_counts["weight"]
    assert weights.tolist() == [0.5, 0.5, 0.25, 0.75, 0.1, 0.9]
    assert with_allocations(health, None) is health


def test_a_project_without_bandits_reads_nothing() -> None:
    with duckdb.connect() as connection:  # which has no table to read
        plain = {"x": bandit(id="x", type="ab", bandit=None)}
        assert read_bandits(connection, plain, METRICS, [], lambda *_: NOTHING_BLOCKED) is None


def test_a_bandit_that_fails_says_so_and_the_other_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = module.bandit_allocations

    def failing(batches: pd.DataFrame, some: dict[str, Experiment], *others: object) -> pd.DataFrame:
        if "broken" in some:
            raise ZeroDivisionError("of the test")
        return compute(batches, some, *others)

    monkeypatch.setattr(module, "bandit_allocations", failing)
    found = read({"headline": bandit(), "broken": bandit(id="broken")})
    assert found is not None
    rows = found.allocation_rows().set_index("experiment_id")
    assert set(rows.loc["broken", "status"]) == {"failed"} and rows.loc["broken", "share"].isna().all()
    assert rows.loc["broken", "reason"].str.contains("of the test").all()
    assert not np.isnan(rows.loc["headline", "share"]).any()
    scored = found.scorecard(found.experiments, NOTHING_BLOCKED)
    assert set(scored.loc[scored["experiment_id"] == "broken", "status"]) <= {"failed", "no_units", "not_computed"}
    assert found.gain_rows()["experiment_id"].nunique() == found.value_rows()["experiment_id"].nunique() == 2
