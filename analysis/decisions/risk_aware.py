"""The rule `risk_aware`: ship what is better in one goal, harmful in none, and proven harmless to the guardrails.

Schultzberg, Ankargren, Frånberg 2024, "Risk-aware product decisions in A/B tests with multiple metrics".
"""

from analysis.decisions.criteria import adjusted_test, detectable_effect, is_better_adjusted
from analysis.decisions.findings import better_reason
from analysis.decisions.levels import power_of_any_goal, sides_of_adjusted_test, split_level
from analysis.decisions.rule import Rule
from analysis.decisions.wording import adjusted_interval, better

RISK_AWARE = Rule(
    needs_every_goal=False,
    is_of_margins=False,
    achieves=is_better_adjusted,
    level=split_level,
    sides=sides_of_adjusted_test,
    power=power_of_any_goal,
    planning_effect=detectable_effect,
    critical_value=adjusted_test,
    bound=lambda row: row.improvement_bound,
    found=adjusted_interval,
    win=better,
    reason=better_reason,
    aim="better",
    failure="no primary metric is proven better",
)
