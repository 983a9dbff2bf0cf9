"""Quasi-experiments: effects of what was not randomised, each beside the checks of what it has to assume.

One module a design, arrays in and a `Study` out; `build` applies them to the panels of a project, `deciding` makes
recommendations of what they found.
"""
