"""The soak test in a few minutes: it runs, and nothing grows."""

import pytest

from tests.postgresql import skip_reason
from tests.production.soak import PROCESSES, soak


@pytest.mark.slow
@pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "PostgreSQL is here")
def test_some_simulated_days_leave_no_process_larger(tmp_path):
    seen = soak(tmp_path, minutes=3, days=30, users=100)
    assert seen.problems == []
    assert set(seen.memory) == set(PROCESSES)
    assert len(seen.statuses) >= 2
