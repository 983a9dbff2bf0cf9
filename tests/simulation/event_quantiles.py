"""Quantiles of page loads that are much alike within a unit, with units of very different numbers of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from analysis.statistics.confidence_sequence import best_rho2, upper_tail_p
from analysis.statistics.estimate import Contrast
from analysis.statistics.quantile import ClusterSums, Histogram, Quantile, compare_quantiles, event_quantile
from tests.simulation.distribution_free import QUANTILES, SIGMA, covered, quantile_figures
from tests.simulation.processes import Floats, Generator, batches
from tests.simulation.study import LIFT, Study, sizes
from tests.simulation.table import Figure, Kind, figure

LEVELS = {"p50": 0.5, "p95": 0.95}
WITHIN = 0.8
"""Correlation of the logarithms of a unit's loads."""
LOADS = 5.0
"""Mean of a unit's loads, which are geometric: one unit in nine has twice as many, one in a hundred five times."""

PROCESS = f"lognormal, a geometric number of page loads a unit, correlated by {WITHIN}"

LOOKS, A_LOOK = 14, 200
LEVEL_OF_HARM = 0.025


@dataclass(frozen=True)
class Loads:
    """Page loads of many experiments' arms of `units` units: each event's value and its unit, over all arms."""

    runs: int
    units: int
    value: Floats
    unit: np.ndarray

    def up_to(self, units: int) -> "Loads":
        """Of the first units of each arm."""
        run, place = np.divmod(self.unit, self.units)
        chosen = place < units
        return Loads(self.runs, units, self.value[chosen], run[chosen] * units + place[chosen])

    def quantile(self, level: float, lift: float = 0.0) -> Quantile:
        """Every arm's quantile, its values multiplied by 1 + lift."""
        run, scaled = self.unit // self.units, self.value * (1 + lift)
        order = np.lexsort((scaled, run))
        n = np.bincount(run, minlength=self.runs).astype(float)
        histogram = Histogram(scaled[order], np.ones(order.size), np.concatenate([[0], np.cumsum(n)]).astype(np.int64))
        at = histogram.at_rank(np.arange(self.runs), np.ceil(n * level - 1e-9))
        shape = (self.runs, self.units)
        n_c = np.bincount(self.unit, minlength=self.runs * self.units).reshape(shape).astype(float)
        s_c = np.bincount(self.unit, scaled <= at[run], self.runs * self.units).reshape(shape)
        sums = ((n_c > 0), n_c, s_c, n_c**2, s_c**2, n_c * s_c)
        return event_quantile(histogram, ClusterSums(*(each.sum(axis=1).astype(float) for each in sums)), level)


def page_loads(rng: Generator, runs: int, units: int) -> Loads:
    """Lognormal values; as many loads a unit as the geometric distribution gives it, whatever its speed."""
    n = rng.geometric(1 / LOADS, runs * units)
    own = np.repeat(rng.standard_normal(runs * units), n)
    noise = np.sqrt(WITHIN) * own + np.sqrt(1 - WITHIN) * rng.standard_normal(own.size)
    return Loads(runs, units, np.exp(SIGMA * noise), np.repeat(np.arange(runs * units), n))


def clustered(n_baseline: int, n_treatment: int, share: float) -> Study:
    """The median and the 95th percentile, with units as clusters."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        outcomes: dict[str, list[list[Floats]]] = {name: [] for name in LEVELS}
        for size in batches(runs, round((n_baseline + n_treatment) * LOADS)):
            base, same, lifted = (page_loads(rng, size, n) for n in (n_baseline, n_treatment, n_treatment))
            for name, level in LEVELS.items():
                arms = (same.quantile(level), lifted.quantile(level, LIFT))
                differences = [compare_quantiles(base.quantile(level), arm) for arm in arms]
                outcomes[name].append(covered(differences, float(np.exp(SIGMA * ndtri(level)))))
        for name, found in outcomes.items():
            yield from quantile_figures(f"{name}, clustered", found)

    return Study(QUANTILES, PROCESS, sizes(n_baseline, n_treatment), figures, share=share)


def monitored() -> Study:
    """The rollback monitor on a 95th percentile that is no worse, whose error is half the 95 % interval over 1.96."""
    rho2 = best_rho2(2 * 1_000.0, LEVEL_OF_HARM, sides=1)

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        alarms = []
        for size in batches(runs, round(LOOKS * A_LOOK * LOADS)):
            arms = [page_loads(rng, size, LOOKS * A_LOOK) for _ in range(2)]
            smallest = np.ones(size)
            for look in range(1_000 // A_LOOK, LOOKS + 1):
                seen = [arm.up_to(look * A_LOOK).quantile(0.95) for arm in arms]
                difference = compare_quantiles(*seen)
                harm = Contrast(difference.effect, difference.se(), np.full(size, np.inf), difference.status)
                smallest = np.fmin(smallest, upper_tail_p(harm, 2.0 * look * A_LOOK, rho2))
            alarms.append(smallest <= LEVEL_OF_HARM)
        alarm = np.concatenate(alarms)
        yield figure("rollback monitor, p95, clustered, .025", "alarm at any look", alarm, LEVEL_OF_HARM, Kind.AT_MOST)

    return Study(QUANTILES, PROCESS, f"{A_LOOK} a look, {LOOKS} looks", figures, share=0.3)


STUDIES = (clustered(1_000, 1_000, 1.0), clustered(4_500, 500, 0.5), monitored())
