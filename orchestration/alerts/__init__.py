"""Alerts: from a run's evidence to a message to the right person, once for each incident."""
