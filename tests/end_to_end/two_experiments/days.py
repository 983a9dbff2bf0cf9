"""The log dates of the small shop. Both experiments are over the day before the last."""

from datetime import date, timedelta

N_DAYS = 7
FIRST_DAY = date(2026, 10, 1)
LAST_DAY = FIRST_DAY + timedelta(days=N_DAYS - 1)
