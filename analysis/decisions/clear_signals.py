"""The rule `clear_signals`: ship what is better in every goal, harmful in none, and proven harmless to the guardrails.

Every goal must pass, so that each is tested at the full α: an intersection–union test (Berger 1982, Technometrics
24) needs no correction over goals.
"""

from analysis.decisions.criteria import detectable_effect, is_better_alone, plain_test
from analysis.decisions.findings import better_reason
from analysis.decisions.levels import full_level, power_of_every_goal
from analysis.decisions.rule import Rule
from analysis.decisions.wording import better, plain_interval

CLEAR_SIGNALS = Rule(
    needs_every_goal=True,
    is_of_margins=False,
    achieves=is_better_alone,
    level=full_level,
    sides=lambda _: 2,
    power=power_of_every_goal,
    planning_effect=detectable_effect,
    critical_value=plain_test,
    bound=lambda row: row.plain_improvement_bound,
    found=plain_interval,
    win=better,
    reason=better_reason,
    aim="better",
    failure="not every primary metric is proven better",
)
