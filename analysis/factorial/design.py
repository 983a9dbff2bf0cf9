"""Factors and their levels, and the cells they expand to: each cell is a variant."""

import math
from dataclasses import dataclass
from itertools import combinations, product
from typing import Self

import numpy as np

from analysis.statistics.status import Floats
from configs.factors import cell_name
from configs.fraction import Fraction
from configs.schema import Experiment

Term = tuple[int, ...]
"""The factors of a main effect or interaction, by position."""


@dataclass(frozen=True)
class Factor:
    """A thing that is varied. The first level is the baseline; without `weights` levels get units alike."""

    id: str
    levels: tuple[str, ...]
    weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A combination of levels: the variant's id, a level of each factor (by position), its share of units."""

    variant_id: str
    levels: tuple[int, ...]
    weight: float

    @property
    def is_baseline(self) -> bool:
        """Whether every factor is at its first level."""
        return not any(self.levels)


@dataclass(frozen=True)
class Design:
    """A full or fractional factorial. Cells run through the last factor's levels first.

    Raises ValueError, naming the factor, for fewer than two levels, repeated names, weights that are not
    one positive number a level, and a fraction of factors that do not all have two levels of equal weight.
    """

    factors: tuple[Factor, ...]
    fraction: Fraction | None = None

    def __post_init__(self) -> None:
        _check(self.factors)
        if self.fraction is None:
            return
        if self.fraction.factors != tuple(factor.id for factor in self.factors):
            raise ValueError(f"the fraction is of {self.fraction.factors}, not of the design's factors, in their order")
        for factor in self.factors:
            if len(factor.levels) != 2 or len(set(factor.weights)) > 1:
                raise ValueError(f"factor '{factor.id}' needs two levels of equal weight: the design is a fraction")

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """What an experiment with `factors` has declared; weights are left alike, as no effect depends on them."""
        factors = tuple(Factor(id_, levels) for id_, levels in experiment.factors.items())
        generators = experiment.fraction
        return cls(factors, Fraction(tuple(experiment.factors), generators) if generators else None)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The variants, `high-on`; weights add up to 1."""
        levels_of = {factor.id: factor.levels for factor in self.factors}
        found = []
        for levels in product(*(range(len(factor.levels)) for factor in self.factors)):
            if self.fraction is None or self.fraction.contains(levels):
                pairs = list(zip(self.factors, levels, strict=True))
                found.append(
                    (cell_name(levels_of, levels), levels, math.prod(_share(factor, level) for factor, level in pairs))
                )
        total = sum(weight for *_, weight in found)
        return tuple(Cell(name, levels, weight / total) for name, levels, weight in found)

    def terms(self, order: int | None = None) -> list[Term]:
        """Main effects, then interactions of two factors, and so on up to `order`; of a fraction, one an alias set."""
        highest = len(self.factors) if order is None else order
        terms = [term for size in range(1, highest + 1) for term in combinations(range(len(self.factors)), size)]
        return terms if self.fraction is None else self.fraction.representatives(terms)

    def name(self, term: Term) -> str:
        """`price`, `price:badge`."""
        return ":".join(self.factors[factor].id for factor in term)

    def levels_of(self, term: Term) -> list[tuple[int, ...]]:
        """The combinations of levels other than the baseline's that a term compares with it."""
        return list(product(*(range(1, len(self.factors[factor].levels)) for factor in term)))

    def indicator(self, factor: int, level: int) -> Floats:
        """1 for cells (cells) at a level of a factor, else 0."""
        return np.array([float(cell.levels[factor] == level) for cell in self.cells])


def _share(factor: Factor, level: int) -> float:
    weights = factor.weights or (1.0,) * len(factor.levels)
    return weights[level] / sum(weights)


def _check(factors: tuple[Factor, ...]) -> None:
    if not factors:
        raise ValueError("a factorial design has at least one factor")
    ids = [factor.id for factor in factors]
    for factor in factors:
        if ids.count(factor.id) > 1:
            raise ValueError(f"factor '{factor.id}' is there twice")
        if len(factor.levels) < 2:
            raise ValueError(f"factor '{factor.id}' has fewer than two levels")
        if len(set(factor.levels)) < len(factor.levels):
            raise ValueError(f"factor '{factor.id}' has a level twice")
        if factor.weights and (len(factor.weights) != len(factor.levels) or min(factor.weights) <= 0):
            raise ValueError(f"factor '{factor.id}' needs one positive weight for each of its levels")
