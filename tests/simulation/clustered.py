"""Clusters randomised whole, few and unequal, and switchbacks with carryover and outcomes that drift."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.clusters.cr2 import cr2
from analysis.clusters.sums import ClusterSums
from analysis.clusters.switchback import (
    Switchback,
    block_sums,
    horvitz_thompson,
    optimal_starts,
    randomisation_p,
)
from analysis.clusters.wild_bootstrap import two_sided_p as bootstrapped_p
from analysis.clusters.wild_bootstrap import webb_weights
from analysis.statistics.estimate import contrast
from analysis.statistics.student_t import interval, two_sided_p
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Floats, Generator
from tests.simulation.study import Study
from tests.simulation.table import Figure, Kind, figure

TOPIC = "Clusters and switchbacks"
EFFECT, SD_BETWEEN = 0.5, 0.3
# Experiments that share one draw of weights.
TOGETHER = 50
NAIVE = "units of a cluster resemble each other: what clusters must not be read with"


def clustered(name: str, treated: Floats, baseline: Floats, *, portion: float = 0.5) -> Study:
    """Clusters of the sizes given; of a unit's variance 1.09 a share of .08 is its cluster's."""
    size = np.concatenate([treated, baseline]).astype(float)
    arms = np.arange(size.size) < treated.size

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        noise = SD_BETWEEN * rng.standard_normal((runs, size.size)) + rng.standard_normal((runs, size.size)) / size**0.5
        null = ClusterSums.of(size, noise * size, arms)
        found = cr2(null)
        lifted = cr2(ClusterSums.of(size, (noise + EFFECT * arms) * size, arms))
        covered = holds(interval(lifted, ALPHA), EFFECT)
        thin = np.broadcast_to(null.is_thin, (runs,))
        yield figure("CR2", "rejection", two_sided_p(found) <= ALPHA, ALPHA, Kind.AT_MOST, warned=thin)
        yield figure("CR2", "coverage of effect", covered, 1 - ALPHA, Kind.AT_LEAST, warned=thin)
        naive = contrast(
            found.value,
            np.full(runs, np.sqrt(1 / treated.sum() + 1 / baseline.sum())),
            found.df * 0 + 1e6,
            found.status,
        )
        yield figure("units alone (not offered)", "rejection", two_sided_p(naive) <= ALPHA, ALPHA, known=NAIVE)
        p = []
        for start in range(0, runs, TOGETHER):
            some = ClusterSums.of(size, null.total[start : start + TOGETHER], arms)
            p.append(bootstrapped_p(some, webb_weights(size.size, int(rng.integers(2**31)), 999)))
        rejected = np.concatenate(p) <= ALPHA
        yield figure("wild bootstrap", "rejection", rejected, ALPHA, Kind.AT_MOST, warned=thin)

    return Study(TOPIC, name, f"{treated.size} / {baseline.size} clusters", figures, share=portion)


def switched(periods: int, carryover: int, starts: list[int], name: str, *, portion: float = 0.2) -> Study:
    """A market over `periods`, its outcomes a random walk about a daily wave."""
    block = np.searchsorted(starts, np.arange(periods), side="right") - 1
    is_long = bool(np.bincount(block).min() > carryover)
    wave = np.sin(np.arange(periods) * 2 * np.pi / 24)

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        rejected: dict[str, list[bool]] = {}
        covered: dict[str, list[bool]] = {}
        for _ in range(runs):
            treated = _drawn(rng, len(starts))[block]
            reach = np.stack([np.roll(treated, lag) for lag in range(carryover + 1)]).mean(axis=0)
            reach[:carryover] = treated[:carryover]
            noise = wave + 0.1 * np.cumsum(rng.standard_normal(periods)) + 0.3 * rng.standard_normal(periods)
            for effect, held in ((0.0, rejected), (EFFECT, covered)):
                design = Switchback(noise + effect * reach, block, treated, carryover)
                methods = {"Horvitz-Thompson": horvitz_thompson(design)}
                if is_long:
                    methods["washed-out blocks, CR2"] = cr2(block_sums(design))
                for method, each in methods.items():
                    held.setdefault(method, []).append(bool(holds(interval(each, ALPHA), effect)))
            exact = randomisation_p(Switchback(noise, block, treated, carryover), int(rng.integers(2**31)), 199)
            rejected.setdefault("randomisation test", []).append(bool(exact > ALPHA))
        for method, each in rejected.items():
            yield figure(method, "rejection", ~np.array(each), ALPHA, Kind.AT_MOST)
        for method, each in covered.items():
            yield figure(method, "coverage of effect", np.array(each), 1 - ALPHA, Kind.AT_LEAST)

    return Study(TOPIC, f"switchback, {name}", f"{periods} periods, carryover {carryover}", figures, share=portion)


def _drawn(rng: Generator, blocks: int) -> NDArray[np.bool_]:
    """Arms of blocks, two or more in each: fewer have no row."""
    while True:
        arms = rng.random(blocks) < 0.5
        if 1 < arms.sum() < blocks - 1:
            return arms


def alike(clusters: int, size: int = 100) -> Floats:
    """Clusters of one size."""
    return np.full(clusters, float(size))


def unlike(clusters: int, smallest: int = 20) -> Floats:
    """Clusters whose sizes go up to 1,000, evenly on a log scale."""
    return np.round(np.geomspace(smallest, 1_000, clusters))


STUDIES = (
    clustered("equal clusters", alike(4), alike(4)),
    clustered("equal clusters", alike(20), alike(20)),
    clustered("equal clusters", alike(3), alike(17)),
    clustered("clusters of 20 to 1,000 units", unlike(6), unlike(6)),
    clustered("clusters of 20 to 1,000 units", unlike(20), unlike(20)),
    clustered("clusters of 100 to 1,000 units", unlike(40, 100), unlike(40, 100)),
    clustered("clusters of 20 to 1,000 units", unlike(5), unlike(20)),
    switched(168, 2, optimal_starts(168, 2), "optimal blocks"),
    switched(96, 4, optimal_starts(96, 4), "optimal blocks"),
    switched(336, 2, list(range(0, 336, 8)), "blocks of 8"),
    switched(120, 1, list(range(0, 120, 6)), "blocks of 6"),
)
