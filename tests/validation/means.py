"""Tests of means, ratios and quantiles, power, and corrections against R and published examples."""

import numpy as np

from analysis.statistics.alternative import Alternative, confidence_interval, p_value
from analysis.statistics.estimate import Contrast
from analysis.statistics.moments import JointMoments, MeanMoments
from analysis.statistics.multiplicity import CORRECTIONS
from analysis.statistics.power import (
    mean_detectable_effect,
    mean_power,
    mean_sample_size,
    proportion_power,
    proportion_sample_size,
)
from analysis.statistics.quantile import ClusterSums, event_quantile
from analysis.statistics.ratio import delta_ratio
from analysis.statistics.welch import welch
from tests.analysis.statistics.test_quantile import SCORES, cluster_sums, histogram
from tests.validation.figures import Figure, Missing, Section, figures, read

_NAMES_IN_R = {
    "bonferroni": "bonferroni",
    "holm": "holm",
    "hochberg": "hochberg",
    "hommel": "hommel",
    "BH": "benjamini_hochberg",
    "BY": "benjamini_yekutieli",
}


def sleep() -> Section:
    """Student's sleep data, two- and one-sided."""
    reference = read("ttest_sleep")
    difference = _difference(reference["group1"], reference["group2"])
    found = []
    for name, alternative in (
        ("welch", Alternative.TWO_SIDED),
        ("welch_greater", Alternative.GREATER),
        ("welch_less", Alternative.LESS),
    ):
        theirs, interval = reference[name], confidence_interval(difference, 0.05, alternative)
        ours = {"t": difference.value / difference.se, "df": difference.df, "p": p_value(difference, alternative)}
        found += [Figure(f"{name}: {key}", float(value), theirs[key], 1e-12) for key, value in ours.items()]
        found += [
            Figure(f"{name}: {end} end", float(ours), at, 1e-12)
            for end, ours, at in zip(("lower", "upper"), (interval.low, interval.high), theirs["ci"], strict=True)
            if at is not None
        ]
    return Section(
        "Welch's test, sleep data",
        reference["source"],
        "`welch`, `alternative.p_value`, `.confidence_interval`",
        "1e-12 relative",
        tuple(found),
        (
            Missing(
                "pooled",
                "one variance for both arms is wrong for unequal ones, and Welch's costs nothing where they are equal",
            ),
        ),
    )


def rosetta() -> Section:
    """Pairs of small samples."""
    reference = read("welch_rosetta")
    found = [
        Figure(f"{a} − {b}: p", float(p_value(_of(reference, a, b), Alternative.TWO_SIDED)), p, 1e-12)
        for a, b, p in reference["pvalues"]
    ]
    difference, theirs = _of(reference, "d1", "d2"), reference["d1d2"]
    interval = confidence_interval(difference, 0.05, Alternative.TWO_SIDED)
    ours = (difference.value / difference.se, difference.df, interval.low, interval.high)
    printed = (theirs["t"], theirs["df"], *theirs["ci"])
    found += [
        Figure(f"d1 − d2: {name}", float(value), at, 5e-8 if name.endswith("end") else 1e-12)
        for name, value, at in zip(("t", "df", "lower end", "upper end"), ours, printed, strict=True)
    ]
    return Section(
        "Welch's test, other examples",
        reference["source"],
        "`welch`, `alternative.p_value`, `.confidence_interval`",
        "1e-12 relative; 5e-8 for the two ends of the printed interval, whose t quantile 2.0595864765 leaves a tail of "
        "2.500000076 % with the printed degrees of freedom, where ours, 2.0595864914, leaves 2.5 % to 13 digits",
        tuple(found),
    )


def planning() -> Section:
    """Power and sample sizes."""
    reference = read("power")
    found = [*_mean_plans(reference["ttest"]), *_share_plans(reference["prop"])]
    # The rule of thumb's 16 stands for 2·(1.960 + .842)² = 15.70.
    thumb = {
        "30²/(3.75·5 %)²": (mean_sample_size(3.75 * 0.05, 900.0, 900.0, 0.05, 0.8), 409_600),
        "5 %·95 %/(5 %·5 %)²": (mean_sample_size(0.0025, 0.0475, 0.0475, 0.05, 0.8), 121_600),
    }
    found += [Figure(f"n of an arm by 16 · {name}", float(ours), at, 0.02) for name, (ours, at) in thumb.items()]
    return Section(
        "Power and sample size",
        f"{reference['source']}; {reference['kohavi2009']['note']}",
        "`power.mean_power`, `.mean_sample_size`, `.mean_detectable_effect`, `.proportion_power`, "
        "`.proportion_sample_size`",
        "1e-6 relative; 2 % of Kohavi's, whose rule rounds 2·(1.960 + .842)² = 15.70 to 16",
        tuple(found),
    )


def corrections() -> Section:
    """Adjusted p-values."""
    reference = read("p_adjust")
    found = []
    for family, columns in reference.items():
        p = np.asarray(columns["p"])
        for name, ours in _NAMES_IN_R.items():
            adjusted = CORRECTIONS[ours].adjust(p, np.zeros(p.size, dtype=np.int64))
            found += figures(f"{family}, {name}", adjusted, columns[name], 1e-12)
    return Section(
        "Corrections for many comparisons",
        "R's p.adjust; BH1995: the fifteen p-values of Benjamini & Hochberg 1995, JRSS B 57",
        "`multiplicity.CORRECTIONS`",
        "1e-12 relative",
        tuple(found),
    )


def clusters() -> Section:
    """Ratio, mean and quantiles of schools in districts."""
    reference = read("clustered_ratio_quantile")
    districts = reference["clusters"]
    found = []
    for name, numerator, denominator, value, se in (
        ("api.stu / enroll", "api.stu", "enroll", reference["ratio"], reference["ratio_se"]),
        ("mean api00", "api00", "one", reference["mean_api00"], reference["mean_se"][0][0]),
    ):
        moments = JointMoments.from_values(*([d[column] for d in districts] for column in (numerator, denominator)))
        arm = delta_ratio(moments, moments).baseline
        found.append(Figure(name, float(arm.mean), value, 1e-8))
        found.append(Figure(f"{name}: standard error", float(np.sqrt(arm.variance)), se, 1e-8))
    published = reference["published_doc"]["val"][0]
    found.append(Figure("api.stu / enroll, ?svyratio", found[0].ours, published, 1e-8))
    return Section(
        "Clustered ratio, mean and quantiles",
        f"{reference['source']}; {reference['quantile']['note']}",
        "`ratio.delta_ratio`, `quantile.event_quantile`",
        "1e-8 relative",
        (*found, *_quantiles(reference["quantile"])),
        (Missing("?svyratio's standard error", "has a finite population correction; units here are no such sample"),),
    )


def _difference(treatment: list[float], baseline: list[float]) -> Contrast:
    return welch(MeanMoments.from_values(baseline), MeanMoments.from_values(treatment)).difference


def _of(reference: dict, a: str, b: str) -> Contrast:
    return _difference(reference["data"][a], reference["data"][b])


def _mean_plans(cases: list[dict]) -> list[Figure]:
    found = []
    for case in cases:
        sides = 1 if case.get("alternative") == "one.sided" else 2
        n, delta, variance, alpha = case["n"], case["delta"], case["sd"] ** 2, case.get("sig", 0.05)
        name = f"t test, δ {delta:.4g}, n {n:.6g}, {sides}-sided"
        power = mean_power(delta, variance, variance, n, n, alpha, sides)
        found.append(Figure(f"{name}: power", float(power), case["power"], 1e-6))
        if n == 1000:  # the case that was solved for delta, to a tolerance to which n is far more sensitive
            effect = mean_detectable_effect(variance, variance, n, n, alpha, case["power"], sides)
            found.append(Figure(f"{name}: δ", float(effect), delta, 1e-6))
        else:
            size = mean_sample_size(delta, variance, variance, alpha, case["power"], sides=sides)
            found.append(Figure(f"{name}: n", float(size), n, 1e-6))
    return found


def _share_plans(cases: list[dict]) -> list[Figure]:
    found = []
    for case in cases:
        n, p1, p2, alpha = case["n"], case["p1"], case["p2"], case.get("sig", 0.05)
        name = f"shares {p1} and {p2}, n {n:.6g}, α {alpha}"
        found.append(Figure(f"{name}: power", float(proportion_power(p1, p2, n, n, alpha)), case["power"], 1e-6))
        size = proportion_sample_size(p1, p2, alpha, case["power"])
        found.append(Figure(f"{name}: n", float(size), n, 1e-6))
    return found


def _quantiles(reference: dict) -> list[Figure]:
    values = np.concatenate(list(SCORES.values())).astype(float)
    district = np.repeat(list(SCORES), [len(scores) for scores in SCORES.values()])
    table, levels = reference["table"], reference["p"]
    sums = [cluster_sums(values, district, row["quantile"]) for row in table]
    ours = event_quantile(histogram(*[values] * len(table)), ClusterSums(*np.transpose(sums)), levels)
    interval = ours.interval(0.05)
    columns = {"quantile": ours.value, "ci.2.5": interval.low, "ci.97.5": interval.high}
    return [
        Figure(f"quantile {level}: {name}", float(value), row[name], 1e-8)
        for name, column in columns.items()
        for level, value, row in zip(levels, column, table, strict=True)
    ]
