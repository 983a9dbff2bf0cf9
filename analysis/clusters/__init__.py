"""Experiments whose units are not independent: clusters randomised whole, and periods of a switchback."""
