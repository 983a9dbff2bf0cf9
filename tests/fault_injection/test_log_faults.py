"""Faults of logs, one log each, in one project that is run day by day: the suite's long form."""

import pytest

from tests.fault_injection import claims
from tests.fault_injection.log_faults import LOG_WARD
from tests.fault_injection.ward import Ward, run_ward

pytestmark = pytest.mark.slow
every_fault = pytest.mark.parametrize("name", LOG_WARD)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    return run_ward(tmp_path_factory.mktemp("log_faults"), LOG_WARD, seed=6)


@every_fault
def test_it_is_found_on_its_day_and_named(ward: Ward, name: str) -> None:
    claims.assert_found_on_its_day_and_named(ward, name)


@every_fault
def test_it_is_gated(ward: Ward, name: str) -> None:
    claims.assert_gated(ward, name)


@every_fault
def test_it_is_told_once_and_once_that_it_is_over(ward: Ward, name: str) -> None:
    claims.assert_told_once(ward, name)


@every_fault
def test_the_message_says_how_grave_since_when_what_is_gated_and_shows_it(ward: Ward, name: str) -> None:
    claims.assert_message_helps(ward, name)


@every_fault
def test_mended_it_is_as_any_other(ward: Ward, name: str) -> None:
    claims.assert_mended(ward, name)


def test_nobody_else_hears_of_anything(ward: Ward) -> None:
    claims.assert_nothing_else_was_told(ward)
    assert not ward.ran[14].told, "the quiet days"
