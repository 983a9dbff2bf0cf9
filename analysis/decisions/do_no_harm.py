"""The rule `do_no_harm`: ship what is proven to be within its margin in every goal and guardrail.

For changes that are wanted for another reason than the metrics. Every test must pass, at one-sided α each.
"""

from analysis.decisions.criteria import is_within_margin, margin_distance, plain_test
from analysis.decisions.findings import goal_margin_reason
from analysis.decisions.levels import full_level, power_of_every_goal
from analysis.decisions.rule import Rule
from analysis.decisions.wording import margin_p_value, within_margin

DO_NO_HARM = Rule(
    needs_every_goal=True,
    is_of_margins=True,
    achieves=is_within_margin,
    level=full_level,
    sides=lambda _: 1,
    power=power_of_every_goal,
    planning_effect=margin_distance,
    critical_value=plain_test,
    bound=lambda row: row.plain_improvement_bound,
    found=margin_p_value,
    win=within_margin,
    reason=goal_margin_reason,
    aim="within its margin",
    failure="not every primary metric is proven to be within its margin",
)
