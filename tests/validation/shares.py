"""Proportions and sample ratios against R, Newcombe's table, and beta posteriors in exact arithmetic."""

import numpy as np

from analysis.statistics import srm
from analysis.statistics.bayesian import beta_binomial
from analysis.statistics.categorical import homogeneity
from analysis.statistics.proportions import newcombe, risk_ratio
from tests.validation.figures import Figure, Missing, Section, read

_EXACT = 1e-10


def proportions() -> Section:
    """Chi-squared tests of shares and of the configured split, and a risk ratio."""
    reference = read("proportions_srm")
    found = []
    for name, case in (("smokers", reference["smokers"]), ("15 and 25 of 50", reference["two"])):
        x, n = np.asarray(case["x"]), np.asarray(case["n"])
        test, theirs = homogeneity(np.stack([x, n - x], axis=-1)), case.get("nocorr", case)
        found.append(Figure(f"{name}: χ²", float(test.statistic), theirs["chisq"], _EXACT))
        found.append(Figure(f"{name}: p", float(test.p_value), theirs["p"], _EXACT))
    interval, theirs = risk_ratio(100.0, 0.1, 100.0, 0.2, 0.05), reference["rr"]
    found.append(Figure("risk ratio 20 % over 10 % of 100: low", float(interval.low) + 1, theirs["lo"], _EXACT))
    found.append(Figure("risk ratio 20 % over 10 % of 100: high", float(interval.high) + 1, theirs["hi"], _EXACT))
    for case in reference["srm"]:
        test, units = srm.chi_squared(case["n"], case["expected"]), " / ".join(f"{n:,}" for n in case["n"])
        found.append(Figure(f"units {units}: χ²", float(test.statistic), case["chisq"], _EXACT))
        found.append(Figure(f"units {units}: p", float(test.p_value), case["p"], _EXACT))
    return Section(
        "Chi-squared tests, sample ratio, risk ratio",
        f"{reference['source']}; {reference['smokers']['note']}; sample ratios after Kohavi, Tang, Xu 2020, ch. 21",
        "`categorical.homogeneity`, `srm.chi_squared`, `proportions.risk_ratio`",
        "1e-10 relative",
        tuple(found),
        (
            Missing("two: yates", "no continuity correction: it makes the test conservative, as Newcombe's already is"),
            Missing("two: nocorr ci", "Wald's interval is not offered: shares take Welch's or Newcombe's"),
            Missing(
                "fisher_tea",
                "Fisher's exact test conditions on the total of events: it rejects far too rarely, without interval",
            ),
        ),
    )


def newcombe_1998() -> Section:
    """Newcombe's own examples."""
    reference = read("newcombe1998")
    found = []
    for case in reference["method10"]:
        x1, n1, x2, n2 = (case[name] for name in ("x1", "n1", "x2", "n2"))
        interval = newcombe(n2, x2 / n2, n1, x1 / n1, 0.05)
        ends = (("low", interval.low, case["lo"]), ("high", interval.high, case["hi"]))
        found += [Figure(f"{x1}/{n1} − {x2}/{n2}: {end}", float(ours), at, 5e-5, True) for end, ours, at in ends]
    names = sorted({*reference["others_56_70_48_80"], *reference["others_9_10_3_10"]})
    return Section(
        "Difference of proportions, hybrid score interval",
        reference["source"],
        "`proportions.newcombe`",
        "5e-5 absolute, half a unit of the printed digit",
        tuple(found),
        (
            Missing(
                ", ".join(names),
                "other intervals of a difference: one that is good for rare events, Newcombe's hybrid score, is enough",
            ),
        ),
    )


def beta_posteriors() -> Section:
    """Chance to be larger and expected losses."""
    reference = read("bayes_beta")
    found = []
    for case in reference["cases"]:
        x_a, n_a, x_b, n_b = (case[name] for name in ("xA", "nA", "xB", "nB"))
        arms = (beta_binomial.posterior(n, x / n) for x, n in ((x_a, n_a), (x_b, n_b)))
        comparison = beta_binomial.compare(*arms)
        loss = beta_binomial.expected_loss(comparison, 1.0)
        ours = {
            "P_B_gt_A": beta_binomial.chance_to_beat(comparison, 1.0),
            "loss_choose_B": loss.treatment,
            "loss_choose_A": loss.baseline,
        }
        found += [
            Figure(f"A {x_a}/{n_a}, B {x_b}/{n_b}: {name}", float(value), case[name], 1e-12, True)
            for name, value in ours.items()
        ]
    return Section(
        "Beta-binomial posteriors",
        reference["source"],
        "`bayesian.beta_binomial.compare`, `.chance_to_beat`, `.expected_loss`",
        "1e-12 absolute",
        tuple(found),
    )
