"""From simulated outcomes to figures with bounds and verdicts, and to the table in the documentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FAMILY_ERROR = 0.001
POWER_TOLERANCE = 0.02
# A failure counts as announced if this share of rows warns.
MOSTLY = 0.8
OUTSIDE = "OUTSIDE"


class Kind(StrEnum):
    """Which side of its nominal rate a figure may not leave."""

    NOMINAL = "nominal"
    AT_MOST = "at most"
    AT_LEAST = "at least"
    POWER = "power"


@dataclass(frozen=True)
class Figure:
    """One question put to every simulated experiment.

    `hits` counts the experiments of `runs` in which it happened, `warned` is the share whose scorecard row would
    carry a warning (NaN: there is none for this). `known` says why a figure may leave its bound.
    """

    method: str
    question: str
    hits: float
    runs: int
    nominal: float
    kind: Kind
    warned: float = np.nan
    known: str = ""

    @property
    def rate(self) -> float:
        """Share of experiments."""
        return self.hits / self.runs


@dataclass(frozen=True)
class Cell:
    """A figure with where its data came from."""

    topic: str
    process: str
    n: str
    seed: int
    figure: Figure


def figure(
    method: str,
    question: str,
    happened: NDArray,
    nominal: float,
    kind: Kind = Kind.NOMINAL,
    *,
    warned: NDArray[np.bool_] | None = None,
    known: str = "",
) -> Figure:
    """A figure from outcomes of experiments: true or false, or shares between 0 and 1, which vary less."""
    share = np.nan if warned is None else float(np.mean(warned))
    return Figure(method, question, float(np.sum(happened)), happened.size, nominal, kind, share, known)


def bound(kind: Kind, nominal: float, runs: int, cells: int) -> tuple[float, float]:
    """Between which rates a figure lies with 99.9 % for all cells together, if its true rate is as it should be.

    Exact binomial quantiles at .001/cells, two-sided. Power may differ from the plan by 2 points, or by the
    binomial quantiles where those are wider.
    """
    tail = FAMILY_ERROR / cells / 2
    low, high = (float(stats.binom.ppf(q, runs, nominal)) / runs for q in (tail, 1 - tail))
    if kind is Kind.AT_MOST:
        return 0.0, high
    if kind is Kind.AT_LEAST:
        return low, 1.0
    if kind is Kind.POWER:
        return min(low, nominal - POWER_TOLERANCE), max(high, nominal + POWER_TOLERANCE)
    return low, high


def is_inside(figure: Figure, cells: int) -> bool:
    """Whether a figure keeps its bound."""
    low, high = bound(figure.kind, figure.nominal, figure.runs, cells)
    return low <= figure.rate <= high


def is_warned(figure: Figure) -> bool:
    """Whether nearly every row of this kind carries a warning."""
    return figure.warned >= MOSTLY


def verdict(figure: Figure, cells: int) -> str:
    """`inside`; `fails` with the warning that rows carry or what is known of it; else `OUTSIDE`."""
    if is_inside(figure, cells):
        return "inside"
    if is_warned(figure):
        return "fails, warned"
    return f"fails: {figure.known}" if figure.known else OUTSIDE


def document(cells: Sequence[Cell], experiments: int) -> str:
    """The whole page: what was done, then a table for each topic."""
    verdicts = [verdict(cell.figure, len(cells)) for cell in cells]
    inside, warned = (sum(each == name for each in verdicts) for name in ("inside", "fails, warned"))
    parts = [_INTRODUCTION.format(experiments=experiments, cells=len(cells), inside=inside, warned=warned)]
    for topic in dict.fromkeys(cell.topic for cell in cells):
        parts.append(_section(topic, [cell for cell in cells if cell.topic == topic], len(cells)))
    return "\n\n".join(parts) + "\n"


def _section(topic: str, cells: Sequence[Cell], total: int) -> str:
    head = ["data", "n per arm", "seed", "experiments", "method", "figure", "rate", "bound", "warned", "verdict"]
    rows = [head, ["---"] * len(head), *(_row(cell, total) for cell in cells)]
    return f"## {topic}\n\n" + "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(cell: Cell, total: int) -> list[str]:
    figure = cell.figure
    low, high = bound(figure.kind, figure.nominal, figure.runs, total)
    limits = {Kind.AT_MOST: f"≤ {high:.4f}", Kind.AT_LEAST: f"≥ {low:.4f}"}.get(figure.kind, f"{low:.4f}–{high:.4f}")
    warned = "" if np.isnan(figure.warned) else f"{figure.warned:.0%}"
    said = [figure.method, figure.question, f"{figure.rate:.4f}", limits, warned, verdict(figure, total)]
    return [cell.process, cell.n, str(cell.seed), f"{figure.runs:,}", *said]


_INTRODUCTION = """# Error rates by simulation

`make simulations` simulates {experiments:,} experiments for each line of data below (fewer where one is expensive),
puts every method to them and writes this page; `make test` runs a shorter form. Without effect: rejections and errors.
With an effect of 10 % of the baseline mean: coverage, and tests of a margin that the effect lies exactly at. Levels are
5 %, intervals 95 %, unless said otherwise.

Of {cells} figures {inside} are inside their bound, and {warned} fail where the scorecard row carries a warning.

- **rate**: the share of experiments in which what *figure* says happened.
- **bound**: where the rate lies if the method keeps its level: binomial quantiles, two-sided, such that all {cells}
  figures together are inside with 99.9 % (each with 1 − .001/{cells}). A method that is conservative by construction is
  bounded on one side. Power may differ from the plan by 2 points.
- **warned**: the share of experiments in which the scorecard row is `skewed`, of categories `sparse`, or for a relative
  effect `weak_baseline`, of clusters `is_thin`, of bandits `has_few_events` (of sequential methods: at any look; of a
  sequence without its burn-in: withheld as `burn_in` at some look).
- **verdict**: `inside` the bound; `fails, warned`: outside, and at least 80 % of the rows say so at run time; `fails`
  with the reason that is known, where they do not; `OUTSIDE` would be a fault.
- **seed**: the data are drawn from `numpy.random.default_rng(seed)`."""
