"""Benchmarks: large projects made from nothing, a hand-written floor, and what the pipeline costs beside it."""
