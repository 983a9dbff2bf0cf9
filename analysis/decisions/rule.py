"""What tells one decision rule from another; everything else is shared."""

from collections.abc import Callable
from dataclasses import dataclass

from analysis.decisions.evidence import Comparison
from analysis.decisions.reasons import Reason
from configs.schema import Experiment


@dataclass(frozen=True)
class Rule:
    """What a treatment's primary metrics, its goals, have to show for it to be shipped, and how to say so.

    `needs_every_goal`: all goals must pass `achieves(row, experiment)`, else one. `is_of_margins`: a goal's test is
    of its margin. `level`, `sides` (1 or 2) and `power` are those of the test. The power gate asks at
    `planning_effect(row, experiment)`: effect in the metric's unit, and standard error; under a sequential method
    the test's `critical_value(row)`, in standard errors, is that of the interval. Winners rank by `bound(row)`.
    `found`, `win` and `reason(row, experiment, rule)` put a goal's result into words, `aim` what is to be proven of
    it, `failure` that too few achieved it.
    """

    needs_every_goal: bool
    is_of_margins: bool
    achieves: Callable[[Comparison, Experiment], bool]
    level: Callable[[Experiment], float]
    sides: Callable[[Experiment], int]
    power: Callable[[Experiment], float]
    planning_effect: Callable[[Comparison, Experiment], tuple[float, float]]
    critical_value: Callable[[Comparison], float]
    bound: Callable[[Comparison], float]
    found: Callable[[Comparison], str]
    win: Callable[[Comparison, str], str]
    reason: Callable[[Comparison, Experiment, "Rule"], Reason]
    aim: str
    failure: str
