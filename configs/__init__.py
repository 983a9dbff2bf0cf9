"""Equipoise configuration: what a team edits, and the schema that checks it."""
