"""Realistic logs with known true effects, for any valid configuration; see `simulator.simulate`."""
