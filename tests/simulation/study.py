"""A simulated experiment, many times over: data of one kind and size, and what is asked of them."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tests.simulation.processes import Generator
from tests.simulation.table import Cell, Figure

# True effect where there is one, as a share of the baseline mean.
LIFT = 0.1


@dataclass(frozen=True)
class Study:
    """Data of one kind and size, and the figures drawn from experiments on them.

    `share` of the experiments asked for are made, where one is expensive; `is_short` ones run in every test run.
    """

    topic: str
    process: str
    n: str
    figures: Callable[[Generator, int], Iterator[Figure]]
    share: float = 1.0
    is_short: bool = True

    @property
    def seed(self) -> int:
        """Fixed by what the study is about, so that a new study changes no other's figures."""
        return zlib.crc32(f"{self.topic} {self.process} {self.n}".encode()) % 100_000

    def cells(self, experiments: int) -> list[Cell]:
        """Simulate."""
        rng = np.random.default_rng(self.seed)
        found = self.figures(rng, max(2, int(experiments * self.share)))
        return [Cell(self.topic, self.process, self.n, self.seed, figure) for figure in found]


def sizes(n_baseline: int, n_treatment: int) -> str:
    """Units of the arms, for people."""
    return f"{n_baseline:,} / {n_treatment:,}"
