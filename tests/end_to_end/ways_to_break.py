"""Ways in which one of the twenty experiments breaks on the last day: each names its victim and what it publishes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from analysis.decisions import RULES
from analysis.decisions.clear_signals import CLEAR_SIGNALS
from analysis.decisions.evidence import Comparison
from analysis.health import CHECKS
from analysis.health.inputs import HealthInputs
from analysis.statistics.registry import ESTIMATORS
from configs.schema import Experiment
from orchestration.workspace import Workspace
from tests.end_to_end.twenty_experiments import LAST_DAY, add_rows


@dataclass(frozen=True)
class Way:
    """How `victim` breaks. What it publishes on the last day holds `said` in one of its reasons or messages.

    `touches` are the logs whose last day it changes. `extends` has a faulty extension in place while the run works.
    """

    victim: str
    said: str
    breaks: Callable[[Workspace], None] = lambda workspace: None
    touches: frozenset[str] = frozenset()
    extends: Callable[[pytest.MonkeyPatch], None] = lambda patch: None


def _edit(file: str, old: str, new: str) -> Callable[[Workspace], None]:
    def breaks(workspace: Workspace) -> None:
        path = workspace.configs / file
        text = path.read_text()
        assert text.count(old) == 1, (file, old)
        path.write_text(text.replace(old, new))

    return breaks


def _exposed(victim: str, units: Iterator[str], variant: str) -> Callable[[Workspace], None]:
    rows = [(unit, victim, variant, f"{LAST_DAY}T09:00:00Z", "phone") for unit in units]
    return lambda workspace: add_rows(workspace.data / "web" / f"{LAST_DAY}.csv", rows)


def _huge_orders(workspace: Workspace) -> None:
    """Each amount is one that the contract allows; their sum is more than a unit's total may be."""
    rows = [(f"huge-{n}", "e05-1", "purchase", f"{LAST_DAY}T12:00:00Z", "900000000000") for n in range(2)]
    add_rows(workspace.data / "orders" / f"{LAST_DAY}.csv", rows)


def _damaged(workspace: Workspace) -> None:
    (workspace.data / "app" / f"{LAST_DAY}.csv").write_bytes(b"\x00\xff no log")


def _without_column(workspace: Workspace) -> None:
    path = workspace.data / "coupons" / f"{LAST_DAY}.csv"
    path.write_text("\n".join(line.rpartition(",")[0] for line in path.read_text().splitlines()) + "\n")


def _without_arm(workspace: Workspace) -> None:
    path = workspace.data / "web" / f"{LAST_DAY}.csv"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if ",e10,b," not in line))


def _faulty_check(inputs: HealthInputs) -> list[dict[str, Any]]:
    if "e08" in inputs.experiments:
        raise ZeroDivisionError("a check of one's own")
    return []


def _faulty_rule(row: Comparison, experiment: Experiment) -> bool:
    if experiment.id == "e12":
        raise KeyError("a rule of one's own")
    return CLEAR_SIGNALS.achieves(row, experiment)


def _faulty_estimator(*_: Any) -> None:
    raise FloatingPointError("an estimator of one's own")


WAYS = {
    "broken_yaml": Way("e01", "isn't valid YAML", _edit("experiments/e01.yaml", "weight: 0.5}", "weight: [0.5}")),
    "unknown_metric": Way(
        "e02", "unknown metric 'conversoin'", _edit("experiments/e02.yaml", "[conversion]", "[conversoin]")
    ),
    "unknown_source": Way(
        "e03", "unknown exposure source 'wep'", _edit("experiments/e03.yaml", "source: web", "source: wep")
    ),
    "missing_measure": Way(
        "e04", "has no measure 'amuont'", _edit("metrics/e04.yaml", "measure: amount", "measure: amuont")
    ),
    "overflow": Way("e05", "overflow", _huge_orders, frozenset({"orders"})),
    "sample_ratio_mismatch": Way(
        "e06", "sample_ratio_mismatch", _exposed("e06", (f"e06-more-{n}" for n in range(800)), "a"), frozenset({"web"})
    ),
    "bad_file_of_its_own_source": Way("e07", f"logs of app ({LAST_DAY})", _damaged, frozenset({"app"})),
    "check_that_raises": Way(
        "e08",
        "computation failed: ZeroDivisionError: a check of one's own",
        extends=lambda patch: patch.setitem(CHECKS, "faulty", _faulty_check),
    ),
    "property_removed": Way("e09", "coupons", _without_column, frozenset({"coupons"})),
    "arm_without_units": Way("e10", "no_exposures", _without_arm, frozenset({"web"})),
    "mixed_units": Way(
        "e11", "mixed_exposures", _exposed("e11", (f"e11-{n}" for n in range(0, 48, 4)), "b"), frozenset({"web"})
    ),
    "rule_that_raises": Way(
        "e12",
        "a rule of one's own",
        extends=lambda patch: patch.setitem(RULES, "clear_signals", replace(CLEAR_SIGNALS, achieves=_faulty_rule)),
    ),
    "estimator_that_raises": Way(
        "e13",
        "computation failed: FloatingPointError: an estimator of one's own",
        extends=lambda patch: patch.setitem(ESTIMATORS, "delta_ratio", _faulty_estimator),
    ),
}


@contextmanager
def broken(workspace: Workspace, *ways: Way) -> Iterator[None]:
    """Break the experiments; faulty extensions are in place until the end of the block."""
    with pytest.MonkeyPatch.context() as patch:
        for way in ways:
            way.breaks(workspace)
            way.extends(patch)
        yield
