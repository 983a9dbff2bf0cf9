"""A PostgreSQL server for the tests that need one, started once; and the instances that tests prune."""

import pytest

from tests.production.postgres import postgres_server, skip_reason


@pytest.fixture(scope="session")
def postgres():
    """The environment variables of a server; the test is skipped where none can be started."""
    if reason := skip_reason():
        pytest.skip(reason)
    with postgres_server() as variables:
        yield variables
