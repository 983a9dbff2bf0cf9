"""Factorial designs without interactions: tests of main effects, interactions and terms, equal cells and unequal."""

from collections.abc import Iterator

import numpy as np

from analysis.factorial.anova import Squares, anova, welch_james
from analysis.factorial.design import Design, Factor
from analysis.factorial.effects import effects_of, estimate
from analysis.statistics.moments import MeanMoments
from analysis.statistics.student_t import interval, two_sided_p
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Floats, Generator, Normal, Process, Share
from tests.simulation.study import LIFT, Study
from tests.simulation.table import Figure, figure

TOPIC = "Factorial designs"
UNLIKE = "analysis of variance takes cells for equally noisy; the tests of Welch and James do not"

DESIGN = Design((Factor("price", ("low", "mid", "high")), Factor("badge", ("off", "on"))))
PRICE, BADGE, BOTH = range(3)


def factorial(name: str, cells: tuple[Process, ...], sizes: tuple[int, ...], of_anova: str = "") -> Study:
    """Six cells of 3 × 2 levels: the badge lifts all of its cells alike, prices and interactions do nothing."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        lifts = [LIFT * cell.levels[1] for cell in DESIGN.cells]
        drawn = [_moments(rng, runs, *each) for each in zip(cells, sizes, lifts, strict=True)]
        moments = MeanMoments(*(np.stack(each, axis=-1) for each in zip(*drawn, strict=True)))
        effects = effects_of(DESIGN)
        found = estimate(moments, effects)
        ends, p = interval(found, ALPHA), two_sided_p(found)
        of_badge = [effect.name for effect in effects].index("badge")
        covered = holds(ends, LIFT * cells[0].mean)[:, of_badge]
        yield figure("contrast", "coverage of a main effect", covered, 1 - ALPHA)
        yield figure("contrast", "rejection, other main effect", p[:, 0] <= ALPHA, ALPHA)
        yield figure("contrast", "rejection, interaction", p[:, -1] <= ALPHA, ALPHA)
        for method, p_value, known in (
            ("Welch-James", welch_james(moments, DESIGN).p_value, ""),
            ("analysis of variance, II", anova(moments, DESIGN, Squares.TYPE_II).p_value, of_anova),
            ("analysis of variance, III", anova(moments, DESIGN, Squares.TYPE_III).p_value, of_anova),
        ):
            yield figure(method, "rejection, term without effect", p_value[:, PRICE] <= ALPHA, ALPHA, known=known)
            yield figure(method, "rejection, interaction", p_value[:, BOTH] <= ALPHA, ALPHA, known=known)

    size = f"{sizes[0]:,} a cell" if len(set(sizes)) == 1 else " / ".join(f"{n:,}" for n in sizes)
    return Study(TOPIC, name, size, figures)


def _moments(rng: Generator, runs: int, process: Process, n: int, lift: float) -> tuple[Floats, ...]:
    moments = process.draw(rng, runs, np.array([n]), lift).moments()
    every = (moments.n, moments.mean, moments.variance, moments.third_central_moment)
    return tuple(each[:, 0] for each in every)


ALIKE = (Normal(),) * 6
NOISY = tuple(Normal(sd=sd) for sd in (1.0, 1.0, 2.0, 2.0, 4.0, 4.0))
FIVE = (Share(0.05, "proportion 5 %"),) * 6

STUDIES = (
    factorial("normal, 3 × 2", ALIKE, (20,) * 6),
    factorial("normal, 3 × 2", ALIKE, (60, 10, 30, 20, 15, 40)),
    factorial("normal of unlike noise, 3 × 2", NOISY, (200, 200, 100, 100, 40, 40), of_anova=UNLIKE),
    factorial("proportion 5 %, 3 × 2", FIVE, (5_000,) * 6),
)
