"""The scorecard: every comparison that the experiments' configurations ask for, with its result or reason."""

from analysis.scorecard.build import scorecard
from analysis.scorecard.columns import ESTIMATED_STATUSES, FAILED, SCORECARD_COLUMNS
from analysis.scorecard.event_quantiles import EventTables
from analysis.scorecard.statuses import SKEWED, SKEWED_MARGIN

__all__ = [
    "ESTIMATED_STATUSES",
    "FAILED",
    "SCORECARD_COLUMNS",
    "SKEWED",
    "SKEWED_MARGIN",
    "EventTables",
    "scorecard",
]
