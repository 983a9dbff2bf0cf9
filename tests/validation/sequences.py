"""Confidence sequences and the sequential sample ratio test against their authors' packages."""

import numpy as np

from analysis.statistics import confidence_sequence, srm
from tests.validation.figures import Figure, Missing, Section, read


def confidence_sequences() -> Section:
    """Margins and the best ρ²."""
    reference = read("asymp_cs")
    found = []
    for case in reference["margins"]:
        alpha, rho2 = case["alpha"], case["rho2"]
        margins = confidence_sequence.unit_margin(case["t"], rho2, alpha)
        found += [
            Figure(f"margin, α {alpha}, ρ² {rho2}, n {n:,}", float(ours), theirs, 1e-10)
            for n, ours, theirs in zip(case["t"], margins, case["margin_sd1"], strict=True)
        ]
    for case in reference["best_rho2"]:
        alpha, n = case["alpha"], case["t_opt"]
        best = float(confidence_sequence.best_rho2(n, alpha))
        found.append(Figure(f"best ρ², α {alpha}, n {n:,}", best, case["rho2"], 1e-10))
    return Section(
        "Asymptotic confidence sequences",
        reference["source"],
        "`confidence_sequence.unit_margin`, `.best_rho2`",
        "1e-10 relative",
        tuple(found),
    )


def sample_ratio() -> Section:
    """Bayes factors of the sequential multinomial test."""
    reference = read("sequential_srm")
    found = []
    for number, case in enumerate(reference["cases"], start=1):
        counts = np.cumsum(case["data"], axis=0)
        factors = srm.log_bayes_factor(counts, case["theta0"], case["alpha"])
        found += [
            Figure(f"case {number}, log Bayes factor after look {look}", float(ours), theirs, 1e-9, True)
            for look, (ours, theirs) in enumerate(zip(factors, case["log_BF"], strict=True), start=1)
        ]
    for case in reference["computed"]:
        prior = case["dirichlet_alpha"]
        factor = srm.log_bayes_factor(case["n"], case["theta0"], prior)
        name = f"units {case['n'][0]:,} and {case['n'][1]:,}, prior {prior[0]:g}"
        found.append(Figure(f"{name}: log Bayes factor", float(factor), case["log_BF10_mp"], 1e-9, True))
        p = float(srm.anytime_p_value(np.atleast_1d(factor))[-1])
        found.append(Figure(f"{name}: p of one look", p, case["seq_p_if_single_look"], 1e-9, True))
    return Section(
        "Sequential sample ratio test",
        f"{reference['source']}; cases of one look: {reference['computed'][0]['note']}",
        "`srm.log_bayes_factor`, `.anytime_p_value`",
        "1e-9 absolute",
        tuple(found),
        (Missing("log_m1, log_m0", "the two marginal likelihoods are not computed apart, only their ratio"),),
    )
