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
@pytest.mark.parametrize("claim", claims.OF_EVERY_FAULT, ids=lambda claim: claim.__name__.removeprefix("assert_"))
def test_it_is(ward: Ward, name: str, claim: claims.Claim) -> None:
    claim(ward, name)


def test_nobody_else_hears_of_anything(ward: Ward) -> None:
    claims.assert_nothing_else_was_told(ward)
    assert not ward.ran[14].told, "the quiet days"
