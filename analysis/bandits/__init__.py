"""Bandits: tomorrow's allocation from what is known today, and inference that holds on data collected so.

Arrays of moments by batch and arm in, frozen results of arrays out. A batch is what was assigned under one allocation,
commonly a day; its propensities are the shares of that allocation.
"""
