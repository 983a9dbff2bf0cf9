"""Simulate a project's logs into its data folder."""

from collections.abc import Sequence

from analysis.simulation.simulator import Simulation
from configs.load import load_config
from configs.simulation_load import load_scenario
from orchestration.workspace import Workspace


def simulate_project(
    workspace: Workspace, *, units: int, days: int, seed: int, experiments: Sequence[str] | None = None
) -> Simulation:
    """Write the logs, `truth.csv` and `faults.csv`; returns the simulation.

    Raises ConfigError for a broken configuration, ScenarioError for a scenario that does not fit it.
    """
    from rich.console import Console
    from rich.progress import Progress

    from analysis.simulation.simulator import simulate
    from orchestration.simulated_logs import write_logs

    config = load_config(workspace.configs)
    scenario = load_scenario(workspace.configs, config)
    simulation = simulate(config, scenario, units=units, days=days, seed=seed, experiments=experiments)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("simulating", total=days)
        write_logs(config.sources, simulation, workspace.data, on_day=lambda _: progress.advance(task))
    return simulation
