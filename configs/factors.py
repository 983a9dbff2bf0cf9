"""The variants of a factorial experiment: its cells, named by their levels, the last factor's changing first."""

from collections.abc import Mapping, Sequence
from itertools import product

from configs.fraction import Fraction

MOST_CELLS = 64
"""Beyond it nobody ships what an experiment finds; a fraction says as much of the factors."""

LONGEST_NAME = 127

Levels = tuple[int, ...]
"""The level of each factor, by position; 0 is the baseline's."""


def cells(factors: Mapping[str, Sequence[str]], generators: Sequence[str] = ()) -> dict[str, Levels]:
    """Each cell that is run, by its variant's id. Raises ValueError for generators that make no fraction."""
    fraction = Fraction(tuple(factors), tuple(generators)) if generators else None
    every = product(*(range(len(levels)) for levels in factors.values()))
    return {cell_name(factors, at): at for at in every if fraction is None or fraction.contains(at)}


def cell_name(factors: Mapping[str, Sequence[str]], at: Levels) -> str:
    """The levels of a cell, joined: `red-large`."""
    return "-".join(levels[level] for levels, level in zip(factors.values(), at, strict=True))


def check_factors(factors: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError, naming the factor, for what cannot be crossed or would give variants names that are none."""
    if len(factors) == 1:
        raise ValueError("a factorial experiment has two factors or more; list the levels of one as `variants`")
    n_cells = 1
    for factor, levels in factors.items():
        if len(levels) < 2:
            raise ValueError(f"factor {factor!r} needs two levels or more, the baseline's first")
        if len(set(levels)) < len(levels):
            raise ValueError(f"factor {factor!r} has a level twice")
        n_cells *= len(levels)
    if n_cells > 4096:
        raise ValueError(f"the factors have {n_cells:,} combinations; take fewer levels")
    names = [cell_name(factors, at) for at in product(*(range(len(levels)) for levels in factors.values()))]
    if len(set(names)) < len(names):
        raise ValueError(f"two cells are both called {next(n for n in names if names.count(n) > 1)!r}; rename a level")
    if longest := [name for name in names if len(name) > LONGEST_NAME]:
        raise ValueError(f"the cell {longest[0]!r} has a name of over {LONGEST_NAME} characters; shorten its levels")


def check_fraction(factors: Mapping[str, Sequence[str]], generators: Sequence[str]) -> None:
    """Raise ValueError, in the words of the generator or factor, for a fraction that is none."""
    if generators and not factors:
        raise ValueError("a fraction is one of `factors`, and there are none")
    for factor, levels in factors.items():
        if generators and len(levels) != 2:
            raise ValueError(f"factor {factor!r} has {len(levels)} levels; fractions are of factors with two")
    found = cells(factors, generators) if factors else {}
    if len(found) > MOST_CELLS:
        raise ValueError(f"the experiment would have {len(found)} variants, {MOST_CELLS} are the most; take a fraction")
    origin = (0,) * len(factors)
    if factors and origin not in found.values():
        negated = [g for g in generators if origin not in cells(factors, [g]).values()]
        raise ValueError(
            f"the fraction leaves out {cell_name(factors, origin)!r}, where every factor is at its baseline;"
            f" take the other half of {negated[0]!r}, by a minus or without it"
        )
