"""Corrections: familywise error, false discovery rate, simultaneous coverage, of correlated comparisons."""

from collections.abc import Iterator

import numpy as np
from scipy.special import ndtr, ndtri

from analysis.statistics.alternative import Alternative, confidence_interval
from analysis.statistics.dunnett import dunnett, dunnett_interval_alpha, loading
from analysis.statistics.multiplicity import CORRECTIONS
from analysis.statistics.welch import welch
from tests.simulation.methods import ALPHA, holds
from tests.simulation.processes import Generator, Normal
from tests.simulation.study import Study
from tests.simulation.table import Figure, Kind, figure

TOPIC = "Many comparisons"
DISCOVERY = ("benjamini_hochberg", "benjamini_yekutieli")
METRICS, TREATMENTS = 4, 2
FAMILY = METRICS * TREATMENTS
# Arms of Dunnett's test, in units: unequal, as are the deviations.
BASELINE, ARMS = (400, 2.0), ((400, 2.0), (200, 2.0), (200, 4.0), (100, 1.0))


def corrected(true_z: float) -> Study:
    """Four metrics correlated by .5, two treatments against one baseline; half have an effect of `true_z` errors."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        metrics, arms = (np.full((k, k), 0.5) + 0.5 * np.eye(k) for k in (METRICS, TREATMENTS))
        is_null = np.arange(FAMILY) % 2 == 0 if true_z else np.ones(FAMILY, dtype=bool)
        truth = np.where(is_null, 0.0, true_z)
        z = rng.multivariate_normal(truth, np.kron(metrics, arms), runs)
        p, family = 2 * ndtr(-np.abs(z)).ravel(), np.repeat(np.arange(runs), FAMILY)
        for name, correction in CORRECTIONS.items():
            found = correction.adjust(p, family).reshape(z.shape) <= ALPHA
            wrong = found & is_null
            level = correction.interval_alpha(p, family, np.full(p.shape, ALPHA)).reshape(z.shape)
            missed = np.abs(z - truth) > -ndtri(level / 2)
            if name == "none":
                reason = "nothing is corrected: for comparison"
                yield figure(name, "any false rejection", wrong.any(axis=1), ALPHA, Kind.AT_MOST, known=reason)
            elif name in DISCOVERY:
                share = wrong.sum(axis=1) / np.maximum(found.sum(axis=1), 1)
                yield figure(name, "false discovery rate", share, ALPHA, Kind.AT_MOST)
                selected = (missed & found).sum(axis=1) / np.maximum(found.sum(axis=1), 1)
                yield figure(name, "false coverage rate of what is found", selected, ALPHA, Kind.AT_MOST)
            else:
                yield figure(name, "any false rejection", wrong.any(axis=1), ALPHA, Kind.AT_MOST)
                yield figure(name, "simultaneous coverage", ~missed.any(axis=1), 1 - ALPHA, Kind.AT_LEAST)

    effect = f"half with an effect of {true_z:g} standard errors" if true_z else "no effect"
    return Study(TOPIC, f"8 correlated comparisons, {effect}", "large", figures)


def many_arms() -> Study:
    """Dunnett's test of four treatments against one baseline."""

    def figures(rng: Generator, runs: int) -> Iterator[Figure]:
        base = Normal(BASELINE[1]).draw(rng, runs, np.array([BASELINE[0]])).moments()
        arms = [Normal(sd).draw(rng, runs, np.array([n])).moments() for n, sd in ARMS]
        estimates = [welch(base, arm) for arm in arms]
        contrasts = [estimate.difference for estimate in estimates]
        t, df, loads = (
            np.concatenate(each, axis=1).ravel()
            for each in (
                [contrast.value / contrast.se for contrast in contrasts],
                [contrast.df for contrast in contrasts],
                [loading(estimate) for estimate in estimates],
            )
        )
        family = np.repeat(np.arange(runs), len(ARMS))
        for side in (Alternative.TWO_SIDED, Alternative.GREATER):
            found = dunnett(t, df, loads, family, family, side).reshape(runs, -1) <= ALPHA
            yield figure("Dunnett", f"any false rejection ({side})", found.any(axis=1), ALPHA)
        side = Alternative.TWO_SIDED
        alpha = dunnett_interval_alpha(df, loads, family, family, np.full(t.shape, ALPHA), side).reshape(runs, -1)
        covered = [holds(confidence_interval(contrast, alpha[:, [position]], side), 0.0)
                   for position, contrast in enumerate(contrasts)]  # fmt: skip
        yield figure("Dunnett", "simultaneous coverage", np.concatenate(covered, axis=1).all(axis=1), 1 - ALPHA)

    n = f"{BASELINE[0]} / " + ", ".join(str(size) for size, _ in ARMS)
    return Study(TOPIC, "normal, four treatments, sd 2, 2, 4, 1", n, figures, share=0.2)


STUDIES = (corrected(0.0), corrected(3.0), many_arms())
