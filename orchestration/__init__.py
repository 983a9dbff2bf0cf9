"""Dagster and the command line: the only place with I/O and side effects."""
