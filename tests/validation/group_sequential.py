"""Group sequential tests against Jennison & Turnbull, SAS, and Armitage, McPherson & Rowe."""

import numpy as np
from scipy import stats
from scipy.special import ndtri

from analysis.statistics import spending
from analysis.statistics.group_sequential.boundaries import boundaries
from analysis.statistics.group_sequential.crossing import crossing
from analysis.statistics.group_sequential.design import drift_for_power, obrien_fleming_constant, pocock_constant
from tests.analysis.statistics.test_group_sequential import classic, equal_looks, sample_sizes
from tests.validation.figures import Figure, Section, half_unit, read

_GAMMA, _RHO = -2.0, 3.0


def section() -> Section:
    """Constants, sample sizes, error rates of repeated looks, spending functions."""
    reference = read("gsd_published")
    others = (
        reference[name]["source"]
        for name in ("obf_z_K4_alpha05", "SAS_SEQDESIGN_ex_TwoSidedPocock", "repeated_testing_at_nominal_5pct")
    )
    return Section(
        "Group sequential tests",
        "; ".join([reference["source"], *others]),
        "`group_sequential.design`, `group_sequential.crossing`, `group_sequential.boundaries`, `spending`",
        "half a unit of the printed digit; SAS to 3e-6, as its printed largest information is .9999970 of what its own "
        "printed percentage implies; spending functions 1e-12 of their formulas, evaluated with scipy",
        (*_constants(reference), *_sizes(reference), *_sas(reference), *_looks(reference), *_spending()),
    )


def _constants(reference: dict) -> list[Figure]:
    kinds = (("Pocock's C", "pocock_CP", pocock_constant), ("O'Brien-Fleming's C", "obf_CB", obrien_fleming_constant))
    found = [
        Figure(f"{name}, {k} looks, α {alpha}", constant(k, float(alpha)), printed, half_unit(3), True)
        for name, table, constant in kinds
        for alpha, column in reference[table].items()
        for k, printed in zip(column["K"], column["C"], strict=True)
    ]
    bounds = classic(4, 0.05, "OF").upper[0]
    printed = enumerate(zip(bounds, reference["obf_z_K4_alpha05"]["z"], strict=True), start=1)
    return found + [
        Figure(f"O'Brien-Fleming's z, look {look} of 4", z, at, half_unit(2), True) for look, (z, at) in printed
    ]


def _sizes(reference: dict) -> list[Figure]:
    found = []
    for case in reference["JT_expected_sample_size_pct_of_fixed"]:
        k, power, family = case["K"], case["power"], case["design"]
        is_power_family = family.startswith("rho")
        by_spending = spending.kim_demets(float(family[-1])) if is_power_family else None
        design = boundaries(equal_looks(k), 0.05, by_spending) if by_spending else classic(k, 0.05, family)
        largest, means = sample_sizes(design, power)
        name = f"{family}, {k} looks, power {power}"
        found.append(Figure(f"{name}: largest sample, % of fixed", largest, case["max_pct"], half_unit(1), True))
        printed = case.get("ASN_at_0_.5_1_1.5_delta", [case.get("ASN_at_theta0")])
        found += [
            Figure(f"{name}: mean sample at {share} δ", mean, at, half_unit(1), True)
            for share, mean, at in zip((0, 0.5, 1, 1.5), means, printed, strict=False)
        ]
    return found


def _sas(reference: dict) -> list[Figure]:
    case = reference["SAS_SEQDESIGN_ex_TwoSidedPocock"]
    design = classic(case["K"], case["alpha"], "Pocock")
    largest, means = sample_sizes(design, case["power"])
    information = float(drift_for_power(design, case["power"])[0] / 0.4) ** 2
    ours = {
        "max_info_pct": largest,
        "null_ASN_pct": means[0],
        "alt_ASN_pct": means[2],
        "max_info_altref_0.4": information,
    }
    return [Figure(f"SAS, Pocock, 4 looks: {name}", value, case[name], 3e-6) for name, value in ours.items()]


def _looks(reference: dict) -> list[Figure]:
    table, fixed = reference["repeated_testing_at_nominal_5pct"], -ndtri(0.025)
    return [
        Figure(
            f"False positives of {k} looks at 5 %",
            2 * float(crossing(equal_looks(k), -fixed, fixed).upper.sum()),
            printed,
            half_unit(3),
            True,
        )
        for k, printed in zip(table["K"], table["type1"], strict=True)
    ]


def _spending() -> list[Figure]:
    alpha, t = 0.05, np.array([0.25, 0.5, 0.75])
    formulas = {
        "O'Brien-Fleming": (spending.obrien_fleming, 2 * stats.norm.sf(stats.norm.isf(alpha / 2) / np.sqrt(t))),
        "Pocock": (spending.pocock, alpha * np.log(1 + (np.e - 1) * t)),
        f"Kim-DeMets, ρ {_RHO:g}": (spending.kim_demets(_RHO), alpha * t**_RHO),
        f"Hwang-Shih-DeCani, γ {_GAMMA:g}": (
            spending.hwang_shih_decani(_GAMMA),
            alpha * (1 - np.exp(-_GAMMA * t)) / (1 - np.exp(-_GAMMA)),
        ),
    }
    return [
        Figure(f"α spent, {name}, at {fraction:g}", float(ours), float(theirs), 1e-12)
        for name, (function, values) in formulas.items()
        for fraction, ours, theirs in zip(t, function(alpha, t), values, strict=True)
    ]
