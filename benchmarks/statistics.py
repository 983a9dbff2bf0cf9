"""Comparisons per second on one core, from 1 to 1,000,000 of them, beside scipy and tea-tasting on the same moments.

`python -m benchmarks.statistics` measures in this process and prints JSON; `python -m benchmarks statistics` starts it
with one thread for linear algebra and prints the table. Rates are of CPU time, so that a busy machine counts little.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
from scipy import stats

from analysis.statistics import confidence_sequence, student_t
from analysis.statistics.alternative import Alternative
from analysis.statistics.bayesian import beta_binomial, normal
from analysis.statistics.cuped import cuped
from analysis.statistics.dunnett import dunnett, dunnett_interval_alpha
from analysis.statistics.estimate import Estimate
from analysis.statistics.fieller import fieller
from analysis.statistics.lin import lin
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.multiplicity import CORRECTIONS
from analysis.statistics.proportions import newcombe
from analysis.statistics.quantile import Histogram, compare_quantiles, unit_quantile
from analysis.statistics.ratio import delta_ratio
from analysis.statistics.schedules import Schedules, SpendingOptions
from analysis.statistics.welch import welch
from benchmarks.process import timed_process
from benchmarks.report import table

SIZES = (1, 100, 10_000, 1_000_000)
ALPHA = 0.05
FAMILY, ARMS = 20, 4
"""Comparisons of a family; of Dunnett's, treatments against one baseline."""
DISTINCT, LOOKS = 10, 10
"""Distinct schedules that group sequential comparisons share at most, and looks of the longest."""
HISTOGRAMS, VALUES = 10_000, 100
"""Distinct histograms of quantiles at most, and distinct values in each."""

# A call is repeated until it has taken this many seconds.
SHORTEST = 0.02
# In a loop, and in quadratures and searches, a rate hardly depends on how many comparisons there are any more.
LIMIT = 10_000
TEA_LIMIT = 100

Call = Callable[[], Any]


@dataclass(frozen=True)
class Method:
    """`prepare(n)` makes moments of n comparisons and returns the call that is measured; `goal` is a rate."""

    name: str
    prepare: Callable[[int], Call]
    goal: int = 0
    limit: int = SIZES[-1]


@dataclass(frozen=True)
class Rates:
    """Comparisons per CPU second of one method at each size, run by run; `left_out` says why there are none."""

    name: str
    goal: int
    rates: dict[int, list[float]]
    left_out: str = ""


def methods() -> list[Method]:
    """Ours with their goals, then others'."""
    fast, shared = 1_000_000, 100_000
    corrections = [
        Method(f"{name}, families of {FAMILY}", _correction(name), shared) for name in CORRECTIONS if name != "none"
    ]
    return [
        Method("Welch: p-value, interval", _of_means(_fixed), fast),
        Method("CUPED: p-value, interval", _of_pairs(lambda b, t: _fixed(cuped(b, t))), fast),
        Method("CUPED, two covariates", _of_triples(lambda b, t: _fixed(cuped(b, t)))),
        Method("Lin: p-value, interval", _of_pairs(lambda b, t: _fixed(lin(b, t)))),
        Method("ratio: p-value, interval", _of_pairs(lambda b, t: _fixed(delta_ratio(b, t))), fast),
        Method("always valid: p-value, interval", _of_means(_always_valid), fast),
        Method("normal Bayesian: chance, loss, interval", _of_means(_normal), fast),
        Method(f"group sequential: p-value, interval, up to {DISTINCT} schedules", _group_sequential, shared),
        *corrections,
        Method(f"Dunnett, {ARMS} treatments: p-value, interval's α", _dunnett, shared, LIMIT),
        Method("Newcombe: interval", _newcombe),
        Method("Fieller: relative interval", _of_means(lambda estimate: fieller(estimate, np.asarray(ALPHA)))),
        Method("beta-binomial: chance, loss", _beta_binomial, limit=LIMIT),
        Method("quantile differences: p-value, interval", _quantiles, limit=LIMIT),
    ]


def peers() -> list[Method]:
    """Others' functions on the same moments."""
    return [
        Method("scipy `ttest_ind_from_stats`, vectorised: p-value only", _scipy),
        Method("scipy `ttest_ind_from_stats`, in a loop: p-value only", _scipy_loop, limit=LIMIT),
        Method("tea-tasting `Mean`, in a loop", _tea_tasting(_tea_mean), limit=TEA_LIMIT),
        Method("tea-tasting `Mean` with covariate, in a loop", _tea_tasting(_tea_covariate), limit=TEA_LIMIT),
        Method("tea-tasting `RatioOfMeans`, in a loop", _tea_tasting(_tea_ratio), limit=TEA_LIMIT),
    ]


def measure(chosen: list[Method], sizes: tuple[int, ...], runs: int) -> list[Rates]:
    """Every method in turn at a size, as often as `runs` says, then the next size."""
    found = {method.name: Rates(method.name, method.goal, {}, _left_out(method)) for method in chosen}
    for n in sizes:
        calls = {
            method.name: method.prepare(n) for method in chosen if n <= method.limit and not found[method.name].left_out
        }
        for _ in range(runs):
            for name, call in calls.items():
                found[name].rates.setdefault(n, []).append(n / _seconds(call))
                print(f"{name}, {n:,}: {found[name].rates[n][-1]:,.0f} a second", file=sys.stderr)
    return list(found.values())


def run_statistics(runs: int) -> list[Rates]:
    """Measure in a fresh process with one thread for linear algebra."""
    command = [sys.executable, "-m", "benchmarks.statistics", "--runs", str(runs)]
    output = timed_process(command, {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}).output
    return [
        Rates(one["name"], one["goal"], {int(n): rates for n, rates in one["rates"].items()}, one["left_out"])
        for one in json.loads(output)
    ]


def describe_statistics(found: list[Rates]) -> list[str]:
    """The table of medians, and what it leaves out."""
    rows = [
        [one.name, *(_shown(one, n) for n in SIZES), f"{one.goal:,}" if one.goal else "", _reached(one)]
        for one in found
        if not one.left_out
    ]
    header = ["comparisons a second, of so many", *(f"{n:,}" for n in SIZES), "goal", "reached"]
    notes = [f"{one.name} is left out: {one.left_out}." for one in found if one.left_out]
    caption = (
        "Medians over CPU seconds of one core; a goal is for the largest size measured. Whatever else runs on the "
        "machine shares its caches and memory, so they are rather low. –: a loop, a quadrature or a search, whose rate "
        "hardly changes any more. Ours start from moments and end with statuses; boundaries are computed in "
        "the call. scipy and tea-tasting have the same moments, made into their objects beforehand."
    )
    return [caption, table(header, rows), *notes]


def _left_out(method: Method) -> str:
    is_missing = method.name.startswith("tea-tasting") and find_spec("tea_tasting") is None
    return "tea-tasting is not installed (`pip install 'equipoise[bench]'`)" if is_missing else ""


def _seconds(call: Call) -> float:
    """CPU seconds of one call."""
    repeats = 1
    while True:
        start = time.process_time()
        for _ in range(repeats):
            call()
        spent = time.process_time() - start
        if spent >= SHORTEST:
            return spent / repeats
        repeats *= 2 if spent <= 0 else max(2, int(1.2 * SHORTEST / spent))


def _shown(found: Rates, n: int) -> str:
    return _digits(median(found.rates[n])) if n in found.rates else "–"


def _digits(rate: float) -> str:
    """Three of them."""
    unit = 10 ** max(0, len(str(int(rate))) - 3)
    return f"{round(rate / unit) * unit:,}"


def _reached(found: Rates) -> str:
    if not found.goal or not found.rates:
        return ""
    return "yes" if median(found.rates[max(found.rates)]) >= found.goal else "**no**"


def _random() -> np.random.Generator:
    return np.random.default_rng(1)


def _means(n: int) -> tuple[MeanMoments, MeanMoments]:
    random = _random()

    def arm(mean: float) -> MeanMoments:
        units = random.integers(2_000, 200_000, n).astype(float)
        return MeanMoments(units, mean + 0.02 * random.standard_normal(n), random.uniform(3, 5, n), np.full(n, 10.0))

    return arm(2.0), arm(2.01)


def _joint(n: int, k: int) -> tuple[JointMoments, JointMoments]:
    """A value and others with which it correlates by .5."""
    random = _random()
    correlation = np.where(np.eye(k, dtype=bool), 1.0, 0.5)

    def arm(mean: float) -> JointMoments:
        units = random.integers(2_000, 200_000, n).astype(float)
        variance = random.uniform(3, 5, n)
        return JointMoments(units, mean + 0.02 * random.standard_normal((n, k)), variance[:, None, None] * correlation)

    return arm(2.0), arm(2.01)


def _fixed(estimate: Estimate) -> tuple[Any, ...]:
    difference = estimate.difference
    return student_t.two_sided_p(difference), student_t.interval(difference, ALPHA)


def _always_valid(estimate: Estimate) -> tuple[Any, ...]:
    difference, n = estimate.difference, estimate.baseline.n + estimate.treatment.n
    rho2 = 1e-4
    return (
        confidence_sequence.two_sided_p(difference, n, rho2),
        confidence_sequence.interval(difference, n, rho2, ALPHA),
    )


def _normal(estimate: Estimate) -> tuple[Any, ...]:
    posterior = normal.posterior(estimate.difference, normal.Prior(0.0, 0.3))
    return (
        normal.chance_to_beat(posterior, 1.0),
        normal.expected_loss(posterior, 1.0),
        normal.credible_interval(posterior, ALPHA),
    )


def _of_means(infer: Callable[[Estimate], Any]) -> Callable[[int], Call]:
    def prepare(n: int) -> Call:
        baseline, treatment = _means(n)
        return lambda: infer(welch(baseline, treatment))

    return prepare


def _of_pairs(infer: Callable[[JointMoments, JointMoments], Any]) -> Callable[[int], Call]:
    def prepare(n: int) -> Call:
        baseline, treatment = _joint(n, 2)
        return lambda: infer(baseline, treatment)

    return prepare


def _of_triples(infer: Callable[[JointMoments, JointMoments], Any]) -> Callable[[int], Call]:
    def prepare(n: int) -> Call:
        baseline, treatment = _joint(n, 3)
        return lambda: infer(baseline, treatment)

    return prepare


def _group_sequential(n: int) -> Call:
    """P-value and critical value at the last look so far, boundaries at every level included."""
    random, distinct = _random(), min(n, DISTINCT)
    fractions = np.sort(random.uniform(0.05, 1, (distinct, LOOKS)), axis=1)
    last = random.integers(0, LOOKS, distinct)
    fractions[np.arange(LOOKS) > last[:, None]] = np.nan
    schedule = random.integers(0, distinct, n)
    look, alpha = last[schedule], np.full(n, ALPHA)
    options = (SpendingOptions("obrien_fleming", 0.0, "", 0.0, 0.8),) * distinct
    difference = welch(*_means(n)).difference

    def call() -> tuple[Any, ...]:
        schedules = Schedules(fractions, np.zeros(distinct, dtype=bool), options, (ALPHA,))
        half = difference.se * schedules.critical_value(schedule, look, alpha)
        p = schedules.two_sided_p(difference.value / difference.se, schedule, look)
        return p, difference.value - half, difference.value + half

    return call


def _correction(name: str) -> Callable[[int], Call]:
    def prepare(n: int) -> Call:
        p, family, correction = _random().uniform(size=n), np.arange(n) // FAMILY, CORRECTIONS[name]
        return lambda: (correction.adjust(p, family), correction.interval_alpha(p, family, np.full(n, ALPHA)))

    return prepare


def _dunnett(n: int) -> Call:
    random = _random()
    t, df = 2 * random.standard_normal(n), random.uniform(4_000, 400_000, n)
    loading, arms = np.sqrt(random.uniform(0.3, 0.7, n)), np.arange(n) // ARMS
    two_sided = Alternative.TWO_SIDED
    return lambda: (
        dunnett(t, df, loading, arms, arms, two_sided),
        dunnett_interval_alpha(df, loading, arms, arms, np.full(n, ALPHA), two_sided),
    )


def _shares(n: int) -> tuple[np.ndarray, ...]:
    random = _random()
    units = random.integers(2_000, 200_000, (2, n)).astype(float)
    events = random.binomial(units.astype(np.int64), 0.05)
    return units[0], events[0] / units[0], units[1], events[1] / units[1]


def _newcombe(n: int) -> Call:
    n_b, share_b, n_t, share_t = _shares(n)
    return lambda: newcombe(n_b, share_b, n_t, share_t, ALPHA)


def _beta_binomial(n: int) -> Call:
    n_b, share_b, n_t, share_t = _shares(n)

    def call() -> tuple[Any, ...]:
        arms = beta_binomial.posterior(n_b, share_b), beta_binomial.posterior(n_t, share_t)
        comparison = beta_binomial.compare(*arms)
        return beta_binomial.chance_to_beat(comparison, 1.0), beta_binomial.expected_loss(comparison, 1.0)

    return call


def _quantiles(n: int) -> Call:
    random, distinct = _random(), min(2 * n, HISTOGRAMS)
    values = np.cumsum(random.uniform(0.5, 1.5, (distinct, VALUES)), axis=1).ravel()
    counts = random.integers(1, 200, distinct * VALUES).astype(float)
    histogram = Histogram(values, counts, np.arange(distinct + 1) * VALUES)
    groups = np.arange(2 * n) % distinct

    def call() -> tuple[Any, ...]:
        arms = (unit_quantile(histogram, 0.9, group) for group in (groups[:n], groups[n:]))
        difference = compare_quantiles(*arms)
        return difference.two_sided_p(), difference.interval(ALPHA)

    return call


def _scipy_arguments(n: int) -> tuple[np.ndarray, ...]:
    baseline, treatment = _means(n)
    return (
        treatment.mean,
        np.sqrt(treatment.variance),
        treatment.n,
        baseline.mean,
        np.sqrt(baseline.variance),
        baseline.n,
    )


def _scipy(n: int) -> Call:
    arguments = _scipy_arguments(n)
    return lambda: stats.ttest_ind_from_stats(*arguments, equal_var=False)


def _scipy_loop(n: int) -> Call:
    rows = np.column_stack(_scipy_arguments(n)).tolist()
    return lambda: [stats.ttest_ind_from_stats(*row, equal_var=False) for row in rows]


def _tea_tasting(make: Callable[[int], tuple[Any, list[Any], list[Any]]]) -> Callable[[int], Call]:
    """A loop over pairs of aggregates, which are made beforehand."""

    def prepare(n: int) -> Call:
        metric, baseline, treatment = make(n)
        return lambda: [metric.analyze_aggregates(b, t) for b, t in zip(baseline, treatment, strict=True)]

    return prepare


def _tea_mean(n: int) -> tuple[Any, list[Any], list[Any]]:
    import tea_tasting

    def rows(arm: MeanMoments) -> list[Any]:
        columns = zip(arm.n.astype(int).tolist(), arm.mean.tolist(), arm.variance.tolist(), strict=True)
        return [tea_tasting.aggr.Aggregates(n, {"y": mean}, {"y": variance}) for n, mean, variance in columns]

    baseline, treatment = _means(n)
    return tea_tasting.Mean("y"), rows(baseline), rows(treatment)


def _tea_covariate(n: int) -> tuple[Any, list[Any], list[Any]]:
    import tea_tasting

    baseline, treatment = _joint(n, 2)
    return tea_tasting.Mean("y", covariate="x"), _tea_pairs(baseline), _tea_pairs(treatment)


def _tea_ratio(n: int) -> tuple[Any, list[Any], list[Any]]:
    import tea_tasting

    baseline, treatment = _joint(n, 2)
    return tea_tasting.RatioOfMeans("y", "x"), _tea_pairs(baseline), _tea_pairs(treatment)


def _tea_pairs(arm: JointMoments) -> list[Any]:
    import tea_tasting

    columns = zip(arm.n.astype(int).tolist(), arm.mean.tolist(), arm.covariance.tolist(), strict=True)
    return [
        tea_tasting.aggr.Aggregates(n, {"y": y, "x": x}, {"y": yy, "x": xx}, {("x", "y"): xy})
        for n, (y, x), ((yy, xy), (_, xx)) in columns
    ]


def main() -> None:
    """Measure, and print every rate as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    found = measure([*methods(), *peers()], SIZES, options.runs)
    print(json.dumps([vars(one) for one in found]))


if __name__ == "__main__":
    main()
