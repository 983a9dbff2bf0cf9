"""Factorial experiments: factors expanded to variants, their effects and interactions from the variants' moments."""
