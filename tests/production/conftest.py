"""A PostgreSQL server for the tests that need one, started once; and a shop of some days, never run."""

import pytest

from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace
from tests.postgresql import postgres_server, skip_reason
from tests.production.long_shop import long_shop


@pytest.fixture(scope="session")
def postgres():
    """The environment variables of a server; the test is skipped where none can be started."""
    if reason := skip_reason():
        pytest.skip(reason)
    with postgres_server() as server:
        yield server.environment


DAYS = 3


@pytest.fixture(scope="session")
def unrun_shop(tmp_path_factory) -> Workspace:
    """A shop with three days of logs, the last of them yesterday's. Read only."""
    workspace = long_shop(tmp_path_factory.mktemp("production"), DAYS)
    simulate_project(workspace, units=300, days=DAYS, seed=1)
    return workspace
