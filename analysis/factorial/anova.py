"""Analysis of variance of a full factorial from its cells' moments."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import special

from analysis.factorial.design import Design, Term
from analysis.factorial.effects import cell_status
from analysis.statistics.moments import MeanMoments
from analysis.statistics.sampling import variance_of_mean
from analysis.statistics.status import Codes, Floats, Status


class Squares(StrEnum):
    """What a term's sum of squares adds to: all terms that do not contain it (II), or all others (III)."""

    TYPE_II = "II"
    TYPE_III = "III"


@dataclass(frozen=True)
class Anova:
    """A row for each term: arrays (..., terms), and the residual (...). NaN where `status` (...) is not OK."""

    terms: list[Term]
    df: Floats
    sum_of_squares: Floats
    f: Floats
    p_value: Floats
    residual_df: Floats
    residual_sum_of_squares: Floats
    status: Codes


@dataclass(frozen=True)
class WelchJames:
    """A test of each term, arrays (..., terms); cells may differ in variance. NaN where `status` (...) is not OK."""

    terms: list[Term]
    df: Floats
    f: Floats
    residual_df: Floats
    p_value: Floats
    status: Codes


def anova(cells: MeanMoments, design: Design, squares: Squares) -> Anova:
    """The table of all main effects and interactions, from moments (..., cells).

    With equal cells both types are the same, and sums of squares add up. With unequal ones type II asks whether a
    factor matters if its interactions are nothing, with most power; type III compares unweighted means over the other
    factors, and is what the contrasts test. Assumes one variance in all cells: see `welch_james`.
    Reference: Searle 1987, Linear models for unbalanced data, sections 4.9 and 8.2; Langsrud 2003.
    """
    terms, status = _full_terms(design), cell_status(cells)
    columns = {term: _columns(design, term) for term in terms}
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        found = [_squares(cells, columns, term, squares, status) for term in terms]
        residual_df = (cells.n - 1).sum(axis=-1)
        residual = ((cells.n - 1) * cells.variance).sum(axis=-1)
        status = np.where((status == Status.OK) & (residual == 0), np.int8(Status.ZERO_VARIANCE), status)
        ok = status == Status.OK
        df = np.array([float(columns[term].shape[1]) for term in terms])
        sums = np.where(ok[..., None], np.stack(found, axis=-1), np.nan)
        f = sums / df / (residual / residual_df)[..., None]
        p_value = special.fdtrc(df, residual_df[..., None], f)
    return Anova(terms, df, sums, f, p_value, residual_df, np.where(ok, residual, np.nan), status)


def welch_james(cells: MeanMoments, design: Design) -> WelchJames:
    """Test each term's contrasts of unweighted means at the cells' own variances.

    At one degree of freedom it is Welch's test of the contrast, of a single factor Welch's analysis of variance.
    Reference: Johansen 1980, Biometrika 67, eqs. 8 to 11; Keselman, Carriere & Lix 1993.
    """
    terms, status = _full_terms(design), cell_status(cells)
    noise = variance_of_mean(cells.variance, cells.n)
    flat = (status == Status.OK) & (noise <= 0).any(axis=-1)
    status = np.where(flat, np.int8(Status.ZERO_VARIANCE), status)
    ok = status == Status.OK
    noise = np.where(ok[..., None], noise, 1.0)
    mean, n = (np.where(ok[..., None], x, fill) for x, fill in ((cells.mean, 0.0), (cells.n, 2.0)))
    found = [_welch_james(mean, noise, n, _columns(design, term).T) for term in terms]
    f, residual_df = (np.where(ok[..., None], np.stack(each, axis=-1), np.nan) for each in zip(*found, strict=True))
    df = np.array([float(_columns(design, term).shape[1]) for term in terms])
    return WelchJames(terms, df, f, residual_df, special.fdtrc(df, residual_df, f), status)


def _full_terms(design: Design) -> list[Term]:
    if design.fraction is not None:
        raise ValueError("a fraction has no analysis of variance: its effects are aliased; use its contrasts")
    return design.terms()


def _columns(design: Design, term: Term) -> Floats:
    """Coded to add up to zero over each factor (cells, df): the last level is minus all others."""
    columns = np.ones((len(design.cells), 1))
    for factor in term:
        last = design.indicator(factor, len(design.factors[factor].levels) - 1)
        own = [design.indicator(factor, level) - last for level in range(len(design.factors[factor].levels) - 1)]
        columns = (columns[:, :, None] * np.stack(own, axis=1)[:, None, :]).reshape(len(design.cells), -1)
    return columns


def _squares(cells: MeanMoments, columns: dict[Term, Floats], term: Term, squares: Squares, status: Codes) -> Floats:
    """How much the term takes off the sum of squares that is left between cells."""
    if squares is Squares.TYPE_II:
        beside = [other for other in columns if other != term and not set(term) <= set(other)]
    else:
        beside = [other for other in columns if other != term]
    ones = np.ones((len(columns[term]), 1))
    without = np.concatenate([ones, *(columns[other] for other in beside)], axis=1)
    return _left(cells, without, status) - _left(cells, np.concatenate([without, columns[term]], axis=1), status)


def _left(cells: MeanMoments, x: Floats, status: Codes) -> Floats:
    """Σ n(mean - fit)² of a regression of means (..., cells) on x, cells weighing by their units."""
    ok = (status == Status.OK)[..., None]
    root = np.sqrt(np.where(ok, cells.n, 1.0))
    grand = np.sum(cells.n * cells.mean, axis=-1, keepdims=True) / np.sum(cells.n, axis=-1, keepdims=True)
    y = root * np.where(ok, cells.mean - grand, 0.0)
    q, _ = np.linalg.qr(root[..., None] * x)
    residual = y - np.squeeze(q @ (np.swapaxes(q, -1, -2) @ y[..., None]), axis=-1)
    return np.sum(residual**2, axis=-1)


def _welch_james(mean: Floats, noise: Floats, n: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """F and its second degrees of freedom of the hypothesis that all rows (r, cells) of contrasts are 0."""
    r = rows.shape[0]
    spread = (rows * noise[..., None, :]) @ rows.T
    inverse = np.linalg.inv(spread)
    value = mean @ rows.T
    wald = np.einsum("...i,...ij,...j->...", value, inverse, value)
    share = noise * np.einsum("ic,...ij,jc->...c", rows, inverse, rows)
    a = np.sum(share**2 / (n - 1), axis=-1)
    scale = r + 2 * a - 6 * a / (r + 2)
    return wald / scale, r * (r + 2) / (3 * a)
