"""Whether the effect depends on a dimension of segments, and on pairs of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.heterogeneity.columns import INTERACTION_COLUMNS, KEYS, typed
from analysis.heterogeneity.groups import Groups
from analysis.heterogeneity.homogeneity import Homogeneity, homogeneity
from analysis.heterogeneity.segments import PAIR, Segments
from analysis.heterogeneity.shared_adjustment import shared_homogeneity
from analysis.heterogeneity.spread import effect_spread
from analysis.heterogeneity.statuses import caveats, group_statuses, is_preregistered, joined
from analysis.heterogeneity.tables import tables
from analysis.heterogeneity.two_way import Term, two_way
from analysis.statistics.further_covariates import n_further, restricted
from analysis.statistics.multiplicity import benjamini_hochberg
from analysis.statistics.registry import covariate_moments
from configs.schema import Experiment

SHARED = "welch_cuped"
SEGMENTS, INTERACTION = "segments", "interaction"
Arrays = dict[str, Any]


def interactions(segments: Segments, experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    """A row per comparison × dimension (`term` segments), and three more per pair of dimensions.

    A pair's terms are each dimension by its name, given the other, and the interaction. Adjusted p-values are Benjamini
    and Hochberg's over an experiment's tests at a date, by role, pre-registered or not, dimensions and pairs apart.
    """
    heads = segments.heads.drop(columns=["status", "reason", "method"])
    alpha = 1 - heads["confidence_level"].to_numpy(dtype=float)
    found, method = _tested(segments)
    spread = effect_spread(segments.effect, segments.se, segments.groups, alpha)
    status, reason = group_statuses(segments, fewest=2)
    is_tested = found.n_used >= 2
    text = np.where(is_tested, joined(caveats(segments, experiments), reason), reason)
    table = heads.assign(
        term=SEGMENTS,
        n_segments=segments.groups.sum(np.ones(len(segments.rows))),
        n_used=found.n_used,
        **{name: getattr(found, name) for name in ("statistic", "df", "df_denominator", "p_value", "i_squared")},
        common_effect=found.common_effect,
        common_effect_se=found.common_effect_se,
        p_value_relative=_relative_p(segments),
        tau=spread.tau,
        tau_low=spread.low,
        tau_high=spread.high,
        method=method,
        status=status,
        reason=text,
        is_planned=is_preregistered(heads, experiments),
    )
    whole = pd.concat([table, *_pair_terms(segments, table)], ignore_index=True)
    whole = whole.sort_values([*KEYS, "term"], kind="stable", ignore_index=True)
    whole["p_value_adjusted"] = benjamini_hochberg(whole["p_value"].to_numpy(), _families(whole))
    adjusted = whole["p_value_adjusted"].to_numpy()
    alpha = 1 - whole["confidence_level"].to_numpy(dtype=float)
    significant = pd.arrays.BooleanArray(adjusted <= alpha, np.isnan(adjusted))
    return typed(dict(whole.items()) | {"significant": significant}, INTERACTION_COLUMNS)


def _families(table: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each family; what has no p-value counts in its size."""
    is_pair = table["segment_name"].str.contains(PAIR, regex=False)
    keys = table[["as_of_date", "experiment_id", "role", "is_planned"]].assign(is_pair=is_pair)
    return keys.groupby(list(keys), sort=False).ngroup().to_numpy(dtype=np.int64)


def _tested(segments: Segments) -> tuple[Homogeneity, NDArray]:
    """Cochran's Q of the published effects; Wald's test where every one of them is adjusted by a covariate."""
    q = homogeneity(segments.effect, segments.se, segments.freedom, segments.groups)
    is_adjusted = segments.rows["method"].str.split(" ").str[0].eq(SHARED).to_numpy()
    is_other = segments.groups.sum(segments.used & ~is_adjusted) > 0
    is_shared = ~is_other & (q.n_used >= 2)
    method = np.where(is_shared, "wald", "cochran_q").astype(object)
    if not is_shared.any():
        return q, method
    shared = np.flatnonzero(segments.used & segments.groups.each(is_shared))
    merged = {name: values.copy() for name, values in vars(q).items()}
    counts = n_further(segments.baseline)[shared]
    for count in np.unique(counts):
        rows = shared[counts == count]
        groups, number = np.unique(segments.groups.number[rows], return_inverse=True)
        baseline, treatment = (
            covariate_moments(restricted(arm, rows, count)) for arm in (segments.baseline, segments.treatment)
        )
        wald = shared_homogeneity(baseline, treatment, Groups(number))
        for name, values in merged.items():
            values[groups] = getattr(wald, name)
    return Homogeneity(**merged), method


def _relative_p(segments: Segments) -> NDArray[np.float64]:
    """P-values of equal relative effects, where all segments compared have one."""
    groups = segments.groups
    lacking = groups.sum(segments.used & np.isnan(segments.relative_se)) > 0
    effect, se = (np.where(segments.used, values, np.nan) for values in (segments.relative, segments.relative_se))
    return np.where(lacking, np.nan, homogeneity(effect, se, segments.freedom, groups).p_value)


def _pair_terms(segments: Segments, table: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows for the terms of each pair of dimensions, pairs of one shape at a time."""
    is_pair = table["segment_name"].str.contains(PAIR, regex=False).to_numpy()
    rows = np.flatnonzero(segments.groups.each(is_pair))
    if not rows.size:
        return []
    values = segments.rows["segment_value"].iloc[rows].str.split(PAIR, n=1, expand=True)
    sources = [source[rows] for source in (segments.effect, segments.se, segments.freedom)]
    terms = []
    for cells in tables(segments.groups.number[rows], values[0].to_numpy(), values[1].to_numpy()):
        tested = two_way(*(cells.filled(source) for source in sources))
        of_pairs = table.iloc[cells.groups]
        names = of_pairs["segment_name"].str.split(PAIR, n=1, expand=True)
        terms += [
            _term_rows(of_pairs, tested.first, names[0]),
            _term_rows(of_pairs, tested.second, names[1]),
            _term_rows(of_pairs, tested.interaction, INTERACTION),
        ]
    return terms


def _term_rows(pairs: pd.DataFrame, term: Term, name: pd.Series | str) -> pd.DataFrame:
    """The pairs' rows with a term's test instead of that of all cells."""
    failed = np.isnan(term.p_value) & (pairs["n_used"] >= 2).to_numpy()
    blank = dict.fromkeys(
        ("i_squared", "common_effect", "common_effect_se", "tau", "tau_low", "tau_high", "p_value_relative"), np.nan
    )
    numbers = {
        key: np.where(pairs["n_used"] >= 2, getattr(term, key), np.nan)
        for key in ("statistic", "df", "df_denominator", "p_value")
    }
    return pairs.assign(
        term=name,
        **numbers,
        **blank,
        method="two_way",
        status=pairs["status"].mask(failed, "too_few_segments"),
        reason=pairs["reason"].mask(failed, "the cells that can be compared leave nothing to test here"),
    )
