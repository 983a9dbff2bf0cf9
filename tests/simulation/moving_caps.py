"""Means under a common quantile cap that arms differ about: by replicates with their own caps, and given the cap."""

from collections.abc import Iterator

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from analysis.statistics.bootstrap import weight_blocks
from analysis.statistics.moving_cap import replicated_sums, tails
from analysis.statistics.status import Floats
from tests.simulation.bootstrapping import BUCKETS, TOPIC
from tests.simulation.methods import ALPHA
from tests.simulation.processes import Generator
from tests.simulation.study import Study, sizes
from tests.simulation.table import Figure, Kind, figure

REPLICATES = 999
SIGMA = 1.5


def capped(n: int, quantile: float, lift: float) -> Study:
    """Lognormal values, 1 + lift times as large in the treatment; the true effect is under the population's cap."""
    truth = _capped_mean(_true_cap(quantile, lift) / (1 + lift)) * (1 + lift) - _capped_mean(_true_cap(quantile, lift))

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        covered = np.array([_covered(rng, n, quantile, lift, truth) for _ in range(runs)])
        question = "coverage of effect"
        yield figure("bootstrap, own caps", question, covered[:, 0], 1 - ALPHA, Kind.AT_LEAST)
        known = "the cap is an estimate too"
        yield figure("bootstrap, given the cap", question, covered[:, 1], 1 - ALPHA, Kind.AT_LEAST, known=known)

    name = f"lognormal, σ = {SIGMA}, + {lift:.0%}, capped at q = {quantile}"
    return Study(TOPIC, name, sizes(n, n), figures, share=0.1, is_short=False)


def _true_cap(quantile: float, lift: float) -> float:
    def excess(log_cap: float) -> float:
        shares = ndtr(log_cap / SIGMA), ndtr((log_cap - np.log(1 + lift)) / SIGMA)
        return float(np.mean(shares)) - quantile

    return float(np.exp(brentq(excess, -20, 20)))


def _capped_mean(cap: float) -> float:
    """E min(X, c) = exp(σ²/2)·Φ((ln c - σ²)/σ) + c·(1 - Φ(ln c/σ)) of a lognormal X of median 1."""
    log_cap = np.log(cap)
    below = np.exp(SIGMA**2 / 2) * ndtr((log_cap - SIGMA**2) / SIGMA)
    return float(below + cap * ndtr(-log_cap / SIGMA))


def _covered(rng: Generator, n: int, quantile: float, lift: float, truth: float) -> tuple[bool, bool]:
    """Whether each kind of percentile interval of one experiment holds the true effect."""
    values = np.exp(SIGMA * rng.standard_normal((2, n))) * np.array([[1.0], [1 + lift]])
    bucket = rng.integers(0, BUCKETS, (2, n))
    ordered = np.sort(values.ravel())
    rank = int(np.ceil(quantile * 2 * n))
    reach = 6 * np.sqrt(2 * n * quantile * (1 - quantile)) + 36
    cap, least = ordered[rank - 1], ordered[max(0, int(np.ceil(rank - reach)) - 1)]
    units = np.stack([np.bincount(of_arm, minlength=BUCKETS) for of_arm in bucket]).astype(float)
    sums = np.stack([np.bincount(b, np.minimum(v, cap), BUCKETS) for b, v in zip(bucket, values, strict=True)])
    above = values > least
    cells = (bucket + np.array([[0], [BUCKETS]]))[above]
    found = tails(units, sums, float(cap), float(least), cells, values[above], np.ones(int(above.sum())))
    seeds = [int(seed) for seed in rng.integers(2**31, size=2)]
    weights = [np.concatenate(list(weight_blocks(seed, REPLICATES, BUCKETS))) for seed in seeds]
    own = replicated_sums(found, quantile, [tuple(weights)])
    given = np.stack([w @ of_arm for w, of_arm in zip(weights, sums, strict=True)])
    size = np.stack([w @ of_arm for w, of_arm in zip(weights, units, strict=True)])
    return _holds(own / size, truth), _holds(given / size, truth)


def _holds(means: Floats, truth: float) -> bool:
    ordered = np.sort(means[1] - means[0])
    k = int(ALPHA / 2 * (REPLICATES + 1)) - 1
    return bool(ordered[k] <= truth <= ordered[-1 - k])


STUDIES = (capped(300, 0.95, 1.0), capped(500, 0.99, 0.5), capped(2_000, 0.99, 0.0))
