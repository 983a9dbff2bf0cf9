"""The log dates of the two experiments, which are over the day before the last."""

from datetime import date, timedelta

FIRST_DAY = date(2026, 10, 1)
DAYS = [FIRST_DAY + timedelta(days=offset) for offset in range(7)]
LAST_DAY = DAYS[-1]
