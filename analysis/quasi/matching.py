"""Treated units against untreated ones that had looked alike: nearest neighbours in the propensity score."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.quasi.study import (
    FAILED,
    TOO_FEW_UNITS,
    ZERO_VARIANCE,
    Check,
    Estimate,
    Floats,
    Integers,
    Study,
    failure,
    tested,
    two_sided,
    unjudged,
)

OVERLAP, PLACEBO, BALANCE = "overlap", "placebo_before", "balance"
LEAST_UNITS = 30
LARGEST_DIFFERENCE = 0.1
"""Of means after matching, in standard deviations before it: the usual bound (Austin 2009, Stat. Med. 28)."""

LEAST_MATCHED = 0.9


@dataclass(frozen=True)
class Units:
    """Units of a matched study: whether treated, covariates (units × covariates), outcome, and the same before."""

    is_treated: np.ndarray
    covariates: Floats
    outcome: Floats
    before: Floats

    @property
    def known(self) -> "Units":
        """The units whose every value is known; the metric before uptake may be missing."""
        keep = ~(np.isnan(self.outcome) | np.isnan(self.covariates).any(axis=1))
        return Units(self.is_treated[keep], self.covariates[keep], self.outcome[keep], self.before[keep])


@dataclass(frozen=True)
class Matches:
    """Which treated units have a match, and each one's weight on every untreated unit it is matched with."""

    treated: Integers
    treated_of: Integers
    control_of: Integers
    weight: Floats

    def means(self, values: Floats) -> Floats:
        """Of each matched treated unit the mean value of its matches."""
        table = np.zeros((len(self.treated), *values.shape[1:]))
        weight = self.weight if values.ndim == 1 else self.weight[:, None]
        np.add.at(table, self.treated_of, weight * values[self.control_of])
        return table


def matched(units: Units, names: tuple[str, ...], neighbours: int, caliper: float) -> Study:
    """The average effect on the matched treated units, with balance, overlap and a placebo before uptake.

    Matching with replacement on the logit of a logistic propensity score within a caliper (in its standard
    deviations), ties together; differences left in covariates are adjusted for by a regression on the untreated
    (Abadie & Imbens 2011, JBES 29), standard errors those of Abadie & Imbens 2006 (Econometrica 74).
    """
    units = units.known
    treated, control = np.flatnonzero(units.is_treated), np.flatnonzero(~units.is_treated)
    counts: dict[str, Any] = {"counted": "units", "n_treatment": len(treated), "n_baseline": len(control)}
    counts |= {"n_observations": len(units.outcome), "method": "nearest_neighbours"}
    if min(len(treated), len(control)) < LEAST_UNITS:
        reason = f"{len(treated)} treated and {len(control)} other units; it takes {LEAST_UNITS} of each"
        return failure(TOO_FEW_UNITS, reason, **counts)
    score = _score(units)
    if score is None:
        return failure(FAILED, "covariates tell treated from other units without fail: none is comparable", **counts)
    found = match(score, treated, control, neighbours, caliper * float(score.std()))
    if len(found.treated) < LEAST_UNITS:
        return failure(TOO_FEW_UNITS, f"{len(found.treated)} treated units have anyone like them", **counts)
    effect, se = _effect(units, found, control, score, is_adjusted=True)
    if not se > 0:
        return failure(ZERO_VARIANCE, "the outcome does not vary", **counts)
    estimate = Estimate(
        **(counts | {"n_treatment": len(found.treated)}),
        effect=effect,
        se=se,
        df=len(found.treated) - 1,
        treatment_mean=float(units.outcome[found.treated].mean()),
    )
    checks = (
        _overlap(len(found.treated), len(treated)),
        *_balance(units, found, treated, control, names),
        _placebo(units, found, control, score),
    )
    return Study((estimate,), checks)


def _score(units: Units) -> Floats | None:
    """The logit of the propensity score; None where covariates separate the two."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    spread = units.covariates.std(axis=0)
    kept = units.covariates[:, spread > 0]
    if not kept.shape[1]:
        return np.zeros(len(units.outcome))
    scaled = (kept - kept.mean(axis=0)) / kept.std(axis=0)
    fit = GLM(units.is_treated.astype(float), np.column_stack([np.ones(len(scaled)), scaled]), family=Binomial()).fit()
    score = np.asarray(fit.predict(which="linear"), dtype=np.float64)
    return score if np.isfinite(score).all() and np.abs(score).max() < 30 else None


def match(score: Floats, treated: Integers, control: Integers, neighbours: int, width: float) -> Matches:
    """For each treated unit the nearest untreated ones by score, with all that are as near as the last of them."""
    levels, level_of = np.unique(score[control], return_inverse=True)
    members = np.split(control[np.argsort(level_of, kind="stable")], np.cumsum(np.bincount(level_of))[:-1])
    kept: list[int] = []
    pairs = []
    for unit in treated:
        distance = np.abs(levels - score[unit])
        near = np.argsort(distance, kind="stable")[: neighbours + 1]
        chosen: list[np.ndarray] = []
        for level in near:
            if distance[level] > width or sum(map(len, chosen)) >= neighbours:
                break
            chosen.append(members[level])
        if chosen:
            matches = np.concatenate(chosen)
            pairs.append((np.full(len(matches), len(kept)), matches, np.full(len(matches), 1 / len(matches))))
            kept.append(int(unit))
    if not kept:
        nothing = np.zeros(0, dtype=np.int64)
        return Matches(nothing, nothing, nothing, np.zeros(0))
    treated_of, control_of, weight = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return Matches(np.array(kept), treated_of, control_of, weight)


def _effect(
    units: Units, found: Matches, control: Integers, score: Floats, *, is_adjusted: bool, of_before: bool = False
) -> tuple[float, float]:
    """Mean difference of treated units and their matches, and its standard error."""
    outcome = units.before if of_before else units.outcome
    if is_adjusted:
        model = np.column_stack([np.ones(len(outcome)), units.covariates])
        slopes = np.linalg.lstsq(model[control], outcome[control], rcond=None)[0]
        outcome = outcome - model @ slopes
    difference = outcome[found.treated] - found.means(outcome)
    effect = float(difference.mean())
    used, squared = np.zeros(len(outcome)), np.zeros(len(outcome))
    np.add.at(used, found.control_of, found.weight)
    np.add.at(squared, found.control_of, found.weight**2)
    ordered = control[np.argsort(score[control], kind="stable")]
    spread = np.zeros(len(outcome))
    step = np.diff(outcome[ordered]) ** 2 / 2
    spread[ordered] = (np.append(step, step[-1]) + np.insert(step, 0, step[0])) / 2
    variance = ((difference - effect) ** 2).sum() + ((used**2 - squared) * spread).sum()
    return effect, float(np.sqrt(variance)) / len(found.treated)


def _overlap(n_matched: int, n_treated: int) -> Check:
    share = n_matched / n_treated
    return Check(
        OVERLAP,
        passed=share >= LEAST_MATCHED,
        statistic=share,
        threshold=LEAST_MATCHED,
        message=f"{n_matched} of {n_treated} treated units have anyone like them ({share:.1%}); the effect is of these",
    )


def _balance(
    units: Units, found: Matches, treated: Integers, control: Integers, names: tuple[str, ...]
) -> tuple[Check, ...]:
    """A check for each covariate: the difference of means in standard deviations of the treated, before and after."""
    values = units.covariates
    spread = np.where(values[treated].std(axis=0) > 0, values[treated].std(axis=0), np.inf)
    before = (values[treated].mean(axis=0) - values[control].mean(axis=0)) / spread
    after = (values[found.treated].mean(axis=0) - found.means(values).mean(axis=0)) / spread
    return tuple(
        Check(
            f"{BALANCE}_{name}",
            passed=bool(abs(after[place]) <= LARGEST_DIFFERENCE),
            statistic=float(after[place]),
            threshold=LARGEST_DIFFERENCE,
            message=f"{name} of treated units differed by {before[place]:+.2f} standard deviations before matching,"
            f" by {after[place]:+.2f} after it",
        )
        for place, name in enumerate(names)
    )


def _placebo(units: Units, found: Matches, control: Integers, score: Floats) -> Check:
    """The effect on the same metric before uptake: there can be none."""
    used = np.concatenate([found.treated, control])
    if np.isnan(units.before[used]).any():
        return unjudged(PLACEBO, "the metric has no value before uptake for some units")
    effect, se = _effect(units, found, control, score, is_adjusted=False, of_before=True)
    p_value = two_sided(effect, se, len(found.treated) - 1)
    if np.isnan(p_value):
        return unjudged(PLACEBO, "the metric does not vary before uptake")
    return tested(
        PLACEBO,
        effect,
        p_value,
        f"before uptake the metric of matched units already differed by {effect:+.4g} (p {p_value:.2g})",
    )
