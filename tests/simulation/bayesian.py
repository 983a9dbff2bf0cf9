"""Bayesian statements, averaged over the prior that they assume."""

from collections.abc import Iterator

import numpy as np

from analysis.statistics.bayesian import beta_binomial, normal
from analysis.statistics.moments import MeanMoments
from analysis.statistics.welch import welch
from tests.simulation.fixed_horizon import NORMAL
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Floats, Generator
from tests.simulation.study import Study, sizes
from tests.simulation.table import Figure, figure

TOPIC = "Bayesian"
# Where a chance to be better is at least this, the treatment should be better as often as was said on average.
CONFIDENT = 0.8


def normal_effects(n: int) -> Study:
    """True effects drawn from the prior of the analysis."""
    prior = normal.Prior(0.02, 0.1)

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        truth = rng.normal(prior.mean, prior.sd, runs)
        base, same = (NORMAL.draw(rng, runs, np.array([n])).moments() for _ in range(2))
        moved = MeanMoments(same.n, same.mean + truth[:, None], same.variance, same.third_central_moment)
        difference = welch(base, moved).difference
        for name, assumed in (("informative prior", prior), ("flat prior", normal.FLAT)):
            found = normal.posterior(difference, assumed)
            covered = holds(normal.credible_interval(found, ALPHA), truth[:, None])
            yield figure(f"normal, {name}", "prior-averaged coverage of effect", covered, 1 - ALPHA)
        found = normal.posterior(difference, prior)
        yield _calibrated("normal, informative prior", normal.chance_to_beat(found, 1.0)[:, 0], truth > 0)
        equivalent = normal.rope_probability(found, -0.05, 0.05)[:, 0]
        question = "within ±.05 where that is said to be likelier than not"
        yield _calibrated("normal, informative prior", equivalent, np.abs(truth) < 0.05, question, 0.5)

    return Study(TOPIC, "normal, effects drawn from the prior", sizes(n, n), figures)


def shares(n: int) -> Study:
    """Shares drawn from the beta prior of the analysis, of mean 1 %."""
    a, b = 4.0, 396.0

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        share = rng.beta(a, b, (2, runs))
        arms = [beta_binomial.posterior(np.full(runs, float(n)), rng.binomial(n, p) / n, a, b) for p in share]
        covered = holds(beta_binomial.credible_interval(arms[0], ALPHA), share[0])
        yield figure("beta-binomial", "prior-averaged coverage of the share", covered, 1 - ALPHA)
        chance = beta_binomial.chance_to_beat(beta_binomial.compare(*arms), 1.0)
        yield _calibrated("beta-binomial", chance, share[1] > share[0])

    return Study(TOPIC, "proportion 1 %, drawn from the prior", sizes(n, n), figures)


def _calibrated(
    method: str,
    chance: Floats,
    happened: Floats,
    question: str = f"better where the chance is said to be ≥ {CONFIDENT}",
    least: float = CONFIDENT,
) -> Figure:
    """How often something is so among the experiments where it is said to be likely, beside what is said on average."""
    said = chance >= least
    return figure(method, question, happened[said], float(chance[said].mean()))


STUDIES = (normal_effects(1_000), shares(1_000))
