"""Read `simulation.yaml`, which describes the users of a simulation."""

from pathlib import Path

from configs.problems import ConfigError
from configs.schema import Config
from configs.simulation_checks import check_scenario
from configs.simulation_schema import Scenario
from configs.validation import validate
from configs.yaml_document import read_document

SCENARIO_FILE = "simulation.yaml"


def load_scenario(root: Path, config: Config) -> Scenario:
    """The scenario in configuration folder `root`; all defaults if there is no such file.

    Raises ConfigError with every error of the file, each with its line.
    """
    if not (root / SCENARIO_FILE).exists():
        return Scenario()
    document = read_document(root, SCENARIO_FILE)
    if document.data is None:
        raise ConfigError(document.problems)
    scenario, problems = validate(Scenario, document)
    problems = [*document.problems, *problems]
    if scenario is not None:
        problems += [document.problem(at, message) for at, message in check_scenario(scenario, config)]
    if scenario is None or problems:
        raise ConfigError(problems)
    return scenario
