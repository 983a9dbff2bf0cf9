"""Main effects and interactions as contrasts of the cells' means."""

from dataclasses import dataclass

import numpy as np

from analysis.factorial.design import Design, Term
from analysis.statistics.estimate import Contrast, contrast
from analysis.statistics.moments import MeanMoments
from analysis.statistics.sampling import variance_of_mean
from analysis.statistics.status import Codes, Floats, Status, first_status


@dataclass(frozen=True)
class Effect:
    """A row: a term, the levels compared with the baseline's, what it is aliased with, and coefficients (cells)."""

    term: Term
    name: str
    levels: str
    aliases: tuple[str, ...]
    coefficients: Floats


def effects_of(design: Design, order: int = 2) -> list[Effect]:
    """The effects of a design up to interactions of `order` factors.

    A main effect is the mean at a level less the mean at the baseline level, all cells of other factors weighing alike.
    An interaction of two is half the difference of one factor's effect between the other's levels (of m factors the
    difference of differences over 2^(m-1)), so that at two levels all effects have one standard error.
    Reference: Box, Hunter & Hunter 2005, chapter 5.
    """
    return [effect for term in design.terms(order) for effect in _of_term(design, term)]


def estimate(cells: MeanMoments, effects: list[Effect]) -> Contrast:
    """Each effect (..., effects) from moments (..., cells), cells in the design's order.

    Variances are the cells' own; degrees of freedom Satterthwaite's. NaN with a status where a cell has fewer than two
    units: no effect can do without a cell.
    """
    coefficients = np.stack([effect.coefficients for effect in effects])
    status = cell_status(cells)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        noise = variance_of_mean(cells.variance, cells.n)
        parts = coefficients**2 * noise[..., None, :]
        variance = parts.sum(axis=-1)
        df = variance**2 / (parts**2 / (cells.n[..., None, :] - 1)).sum(axis=-1)
        value = np.sum(coefficients * cells.mean[..., None, :], axis=-1)
    return contrast(value, np.sqrt(variance), df, np.broadcast_to(status[..., None], value.shape))


def cell_status(cells: MeanMoments) -> Codes:
    """What stands in the way of comparing all cells (...)."""
    n, figures = cells.n, cells.mean + cells.variance
    return first_status(
        (np.asarray(np.any(~(n >= 1), axis=-1)), Status.NO_UNITS),
        (np.asarray(np.any(np.isinf(figures), axis=-1)), Status.OVERFLOW),
        (np.asarray(np.any(np.isnan(cells.mean) | np.isnan(cells.variance) & (n >= 2), axis=-1)), Status.NOT_COMPUTED),
        (np.asarray(np.any(cells.variance < 0, axis=-1)), Status.FAILED),
        (np.asarray(np.any(n < 2, axis=-1)), Status.TOO_FEW_UNITS),
    )


def _of_term(design: Design, term: Term) -> list[Effect]:
    aliases: tuple[str, ...] = ()
    if design.fraction is not None:
        found = design.fraction.aliases(term).items()
        aliases = tuple(design.fraction.describe(other, sign) for other, sign in found)
    rows = []
    for levels in design.levels_of(term):
        labels = [design.factors[f].levels[level] for f, level in zip(term, levels, strict=True)]
        rows.append(Effect(term, design.name(term), ":".join(labels), aliases, _coefficients(design, term, levels)))
    return rows


def _coefficients(design: Design, term: Term, levels: tuple[int, ...]) -> Floats:
    """+ and - by the term's levels, over as many cells as there are of each combination."""
    signs = np.ones(len(design.cells))
    for factor, level in zip(term, levels, strict=True):
        signs = signs * (design.indicator(factor, level) - design.indicator(factor, 0))
    of_others = np.count_nonzero(signs) / 2 ** len(term)
    return signs / of_others / 2 ** (len(term) - 1)
