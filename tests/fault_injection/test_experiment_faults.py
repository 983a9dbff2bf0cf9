"""Faults of single experiments, one each, beside clean ones, in one project that is run day by day.

Six runs of the whole pipeline serve all of them: the quiet fortnight, three days with faults, and those days again
once everything is mended.
"""

import pandas as pd
import pytest

from tests.fault_injection import claims
from tests.fault_injection.experiment_faults import CLEAN, WARD
from tests.fault_injection.fault import QUIET, day
from tests.fault_injection.ward import Ward, run_ward

pytestmark = pytest.mark.slow

every_fault = pytest.mark.parametrize("name", WARD)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    return run_ward(tmp_path_factory.mktemp("experiment_faults"), WARD, seed=5)


@every_fault
@pytest.mark.parametrize("claim", claims.OF_EVERY_FAULT, ids=lambda claim: claim.__name__.removeprefix("assert_"))
def test_it_is(ward: Ward, name: str, claim: claims.Claim) -> None:
    claim(ward, name)


def test_nobody_else_hears_of_anything(ward: Ward) -> None:
    claims.assert_nothing_else_was_told(ward)


def test_on_the_quiet_days_nothing_fails_and_nothing_is_told(ward: Ward) -> None:
    checks = ward.faulty["health_checks"]
    quiet = checks[checks["as_of_date"] <= pd.Timestamp(day(QUIET))]
    assert quiet["passed"].astype(bool).all() and len(quiet) > 1_000
    assert ward.ran[QUIET].told == []


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_experiment_ships_beside_all_those_faults(ward: Ward, name: str) -> None:
    assert not ward.told_of(name)


def test_a_run_with_invalid_experiments_says_so_and_publishes(ward: Ward) -> None:
    statuses = {round_: run.printed.status for round_, run in ward.ran.items()}
    assert statuses == {14: 0, 15: 1, 16: 1, 17: 1, "mended": 0}
