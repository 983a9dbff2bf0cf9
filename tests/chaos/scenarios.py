"""What is disturbed: runs of a small shop, each from the state that the one before it left."""

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace
from tests.end_to_end.two_experiments.days import DAYS

CONFIGS = Path(__file__).resolve().parents[1] / "end_to_end" / "two_experiments"
UNITS = 300


@dataclass(frozen=True)
class Scenario:
    """One run: the state it starts from (another scenario's, or none), and its log dates."""

    name: str
    base: str | None
    first: date
    last: date
    configs: str = "configs"
    data: str = "data"


SCENARIOS = (
    Scenario("first run", None, DAYS[0], DAYS[2]),
    Scenario("next day", "first run", DAYS[3], DAYS[3]),
    Scenario("correction", "next day", DAYS[1], DAYS[1], data="corrected_data"),
    Scenario("changed configuration", "next day", DAYS[4], DAYS[4], configs="changed_configs"),
)


class World:
    """The folders of all scenarios, under one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(CONFIGS, root / "configs")
        simulate_project(self._workspace(SCENARIOS[0], root / "none"), units=UNITS, days=len(DAYS), seed=3)
        self._correct_a_log()
        self._change_a_metric()

    def reference(self, scenario: Scenario) -> Workspace:
        """The workspace of the undisturbed run."""
        return self._workspace(scenario, self.root / "undisturbed" / scenario.name.replace(" ", "_"))

    def begin(self, scenario: Scenario, state: Path) -> Workspace:
        """A state folder as it was before the scenario's run, at `state`."""
        workspace = self._workspace(scenario, state)
        if scenario.base is None:
            state.mkdir(parents=True)
        else:
            base = next(other for other in SCENARIOS if other.name == scenario.base)
            shutil.copytree(self.reference(base).state, state, symlinks=True)
        return workspace

    def _workspace(self, scenario: Scenario, state: Path) -> Workspace:
        return Workspace(self.root / scenario.configs, self.root / scenario.data, state)

    def _correct_a_log(self) -> None:
        """A third of the orders of the second day are gone from its file, and come no more."""
        shutil.copytree(self.root / "data", self.root / "corrected_data")
        log = self.root / "corrected_data" / "orders" / f"{DAYS[1]}.csv"
        header, *rows = log.read_text().splitlines(keepends=True)
        log.write_text(header + "".join(row for number, row in enumerate(rows) if number % 3))

    def _change_a_metric(self) -> None:
        """Another cap: every as-of date of `pricing` is computed anew."""
        shutil.copytree(self.root / "configs", self.root / "changed_configs")
        metrics = self.root / "changed_configs" / "metrics" / "shop.yaml"
        text = metrics.read_text()
        assert "upper_quantile: 0.99}" in text
        metrics.write_text(text.replace("upper_quantile: 0.99}", "upper_quantile: 0.95}"))
