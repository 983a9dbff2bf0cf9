"""Bayesian inference: conjugate posteriors, chances, losses; nothing here is drawn at random."""
