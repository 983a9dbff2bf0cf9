"""Rows that reach the log late, twice or broken, as many as reported."""

import numpy as np
import pandas as pd
import pytest

from analysis.simulation.delivery import OUT_OF_RANGE, UNKNOWN_VARIANT
from analysis.simulation.simulator import simulate

ROWS = {"late": 0.05, "too_late": 0.01, "duplicate": 0.04, "malformed": 0.02}


@pytest.fixture(scope="module")
def faulty(config, make_scenario):
    return simulate(config, make_scenario(rows=ROWS), units=3_000, days=21, seed=13)


@pytest.fixture(scope="module")
def faults(faulty):
    frame = pd.concat([day.faults for day in faulty.days()])
    return frame.groupby(["source_id", "fault"])["rows"].sum()


def test_a_row_is_as_late_as_its_fault_says(faulty, faults, rows_of):
    shop = rows_of(faulty, "shop")
    age = (pd.to_datetime(shop["log_date"]) - shop["ts"].dt.normalize()).dt.days
    repeated = shop["id"].duplicated(keep="first")

    assert ((age >= 1) & (age <= 3) & ~repeated).sum() == faults["shop", "late"]
    assert (age > 3).sum() == faults["shop", "too_late"]
    assert age.max() == 6


def test_duplicates_repeat_an_event_id_within_the_late_window(faulty, faults, rows_of):
    shop = rows_of(faulty, "shop")
    copies = shop[shop["id"].duplicated(keep=False)]

    assert shop["id"].duplicated().sum() == faults["shop", "duplicate"]
    whole_rows = copies.drop(columns="log_date").groupby("id").nunique(dropna=False)
    assert (whole_rows == 1).all(axis=None)
    log_dates = pd.to_datetime(copies["log_date"]).groupby(copies["id"])
    apart = (log_dates.max() - log_dates.min()).dt.days
    assert set(apart) == {0, 1, 2, 3}


def test_malformed_rows_are_counted_by_kind(faulty, faults, rows_of):
    shop, web = rows_of(faulty, "shop"), rows_of(faulty, "web")
    ends = pd.to_datetime(shop["log_date"]) + pd.Timedelta(days=1, hours=1)

    assert shop["user"].isna().sum() == faults["shop", "missing_unit_id"]
    assert (shop["eur"] == OUT_OF_RANGE).sum() == faults["shop", "measure_out_of_range"]
    assert (shop["ts"] > ends).sum() == faults["shop", "future_timestamp"]
    assert (web["arm"] == UNKNOWN_VARIANT).sum() == faults["web", "unknown_variant"]
    assert ("desk", "measure_out_of_range") not in faults  # a source without measures


def test_shares_of_rows_are_as_configured(faulty, rows_of):
    shop = rows_of(faulty, "shop")
    shop = shop[shop["ts"] < "2026-03-16"]  # later rows may be due after the last day
    age = (pd.to_datetime(shop["log_date"]) - shop["ts"].dt.normalize()).dt.days
    repeated = shop["id"].duplicated()

    found = {
        "late": ((age >= 1) & (age <= 3) & ~repeated).sum(),
        "too_late": (age > 3).sum(),
        "duplicate": repeated.sum(),
        "malformed": (shop["user"].isna() | (shop["eur"] == OUT_OF_RANGE) | (age < 0)).sum(),
    }

    n = len(shop) - found["duplicate"]
    for fault, rows in found.items():
        share = ROWS[fault]
        assert rows / n == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n)), fault


def test_good_rows_are_those_of_the_faultless_simulation(config, make_scenario, faulty, rows_of):
    clean = rows_of(simulate(config, make_scenario(), units=3_000, days=21, seed=13), "shop")
    shop = rows_of(faulty, "shop").drop_duplicates("id")

    unbroken = shop[shop["user"].notna() & (shop["eur"] != OUT_OF_RANGE) & (shop["ts"] < "2026-03-22")]
    merged = unbroken.merge(clean, on="id", suffixes=("", "_clean"), validate="one_to_one")
    assert len(merged) == len(unbroken)
    moved = merged["ts"] != merged["ts_clean"]
    assert (merged.loc[moved, "ts"] - merged.loc[moved, "ts_clean"]).eq(pd.Timedelta(days=3)).all()
    assert merged["user"].equals(merged["user_clean"]) and merged["eur"].equals(merged["eur_clean"])


def test_without_a_late_window_nothing_is_late(make_config, make_scenario, rows_of):
    project = {"name": "shop", "history_start": "2026-03-01", "late_arrival_days": 0}
    rows = {**ROWS, "too_late": 0, "malformed": 0}
    simulation = simulate(make_config(project=project), make_scenario(rows=rows), units=500, days=10, seed=14)

    shop = rows_of(simulation, "shop")
    assert (shop["ts"].dt.date == shop["log_date"]).all()
    assert shop["id"].duplicated().any()


def test_a_fault_free_simulation_reports_no_fault(plain):
    assert all(day.faults.empty for day in plain.days())
    assert list(next(plain.days()).faults) == ["log_date", "source_id", "experiment_id", "fault", "rows"]
