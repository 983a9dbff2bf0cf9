"""Two of the trials; `make test-chaos` has 50, `make test-chaos-long` 500."""

import pytest

from tests.chaos.scenarios import SCENARIOS
from tests.chaos.trials import run_trials


@pytest.mark.xdist_group("chaos")
def test_a_killed_run_costs_nothing_and_shows_nothing_half_done(tmp_path):
    trials = run_trials(tmp_path, 2, scenarios=SCENARIOS[:2])
    assert [trial.scenario for trial in trials] == [scenario.name for scenario in SCENARIOS[:2]]
    assert all(trial.phases for trial in trials)
