"""Before an experiment: how many units it needs, how long that takes, what it can find, and what runs beside it."""

from analysis.planning.calendar import experiment_calendar, traffic_left
from analysis.planning.plan import PLAN_COLUMNS, plan, power_curves

__all__ = ["PLAN_COLUMNS", "experiment_calendar", "plan", "power_curves", "traffic_left"]
