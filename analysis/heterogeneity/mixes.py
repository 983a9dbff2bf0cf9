"""Whether a pooled effect is one of mixes: Simpson's paradox, and effects that most segments do not share."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.heterogeneity.columns import MIX_COLUMNS, typed
from analysis.heterogeneity.mix import Arm, Mix, mix
from analysis.heterogeneity.segments import Segments, units
from analysis.heterogeneity.statuses import group_statuses
from analysis.statistics.status import Floats
from configs.schema import Metric

NONE, MIX_SHIFT, REVERSAL, MOST_OPPOSED = "none", "mix_shift", "reversal", "most_opposed"
MIX_ALPHA = 0.001
"""A difference between the arms' mixes is beyond chance below this, as a sample ratio mismatch is."""
MATERIAL = 0.5
"""In standard errors of the pooled effect: a bias of half of one takes a 95 % interval's coverage to .92."""
MOST = 0.5
# What a segment's means cannot be trusted under.
_BLOCKED = frozenset({"incomplete", "overflow", "not_computed", "failed"})
# Means of segments add up to the pooled one for these.
_ADDITIVE = frozenset({"mean", "proportion", "retention", "ratio"})


def mixes(
    segments: Segments, scorecard: pd.DataFrame, interactions: pd.DataFrame, metrics: Mapping[str, Metric]
) -> pd.DataFrame:
    """A row per comparison × dimension: the pooled effect of raw means against that at one mix of segments.

    `finding` is `reversal` where the arms' mixes differ beyond chance (p < .001), that moves the effect by over half of
    its standard error, and the pooled effect points the other way than the effect at one mix or than every
    segment; `mix_shift` for the first two alone; `most_opposed` where mixes agree, but segments with over half of
    the units point the other way and the interaction is significant. `segment_value` is the one that contributes most.
    """
    heads, groups = segments.heads, segments.groups
    found = mix(_arm(segments, "baseline"), _arm(segments, "treatment"), groups)
    opposed, share, n_known = _opposed(segments, found)
    error = _pooled_error(segments, scorecard)
    material = (found.p_value < MIX_ALPHA) & (np.abs(found.mix_effect) > MATERIAL * error)
    turned = (found.pooled * found.standardised < 0) | ((opposed == n_known) & (n_known > 0))
    tests = interactions[interactions["term"] == "segments"]
    varies = tests["significant"].fillna(False).to_numpy(dtype=bool)
    finding = np.select(
        [material & turned, material, (share > MOST) & varies], [REVERSAL, MIX_SHIFT, MOST_OPPOSED], NONE
    ).astype(object)
    leading = _leading(segments, found)
    status, reason = group_statuses(segments, fewest=2)
    others = [id_ for id_, metric in metrics.items() if metric.type not in _ADDITIVE]
    is_other = heads["metric_id"].isin(others).to_numpy()
    known = (n_known >= 2) & ~is_other
    finding[~known] = ""
    status = np.where(known, "ok", np.where(is_other, "not_computed", status))
    reason = np.where(is_other, "segments' values of this type of metric do not add up to the pooled one", reason)
    said = _explained(segments, found, leading, finding, share)
    at = {name: np.where(known, values[leading], np.nan) for name, values in _of_rows(found).items()}
    return typed(
        {name: heads[name] for name in heads.columns}
        | {name: np.where(known, values, np.nan) for name, values in _of_groups(found).items()}
        | {
            "n_segments": groups.sum(np.ones(len(segments.rows))),
            "n_opposed": pd.array(np.where(known, opposed, np.nan)).astype("Int64"),
            "opposed_share": np.where(known, share, np.nan),
            "segment_value": np.where(known, segments.rows["segment_value"].to_numpy(dtype=object)[leading], ""),
            **at,
            "finding": finding,
            "status": status,
            "reason": np.where(known, said, reason),
        },
        MIX_COLUMNS,
    )


def _of_groups(found: Mix) -> dict[str, Floats]:
    return {
        "pooled_effect": found.pooled,
        "standardised_effect": found.standardised,
        "mix_effect": found.mix_effect,
        "mix_effect_se": found.mix_effect_se,
        "p_value": found.p_value,
    }


def _of_rows(found: Mix) -> dict[str, Floats]:
    return {
        "contribution": found.contribution,
        "baseline_share": found.baseline_share,
        "treatment_share": found.treatment_share,
    }


def _arm(segments: Segments, side: str) -> Arm:
    """Raw means from the scorecard; of ratios, units weigh by their denominators."""
    columns = segments.baseline if side == "baseline" else segments.treatment
    is_blocked = segments.rows["status"].isin(list(_BLOCKED)).to_numpy()
    n = np.where(is_blocked, 0.0, units(segments.rows[f"n_{side}"]))
    mean = segments.rows[f"{side}_mean"].to_numpy(dtype=float)
    denominator = columns["denominator_mean"]
    is_ratio = np.isfinite(denominator)
    return Arm(
        n,
        mean,
        np.where(is_ratio, denominator, 1.0),
        np.where(is_ratio, columns["denominator_variance"], 0.0),
    )


def _opposed(segments: Segments, found: Mix) -> tuple[Floats, Floats, Floats]:
    """Of each group the segments that point away from the pooled effect, their share of units, and all known."""
    difference = (segments.rows["treatment_mean"] - segments.rows["baseline_mean"]).to_numpy(dtype=float)
    is_known = np.isfinite(found.contribution)
    against = is_known & (difference * segments.groups.each(found.pooled) < 0)
    both = np.where(is_known, (found.baseline_share + found.treatment_share) / 2, 0.0)
    sums = segments.groups.sum
    return sums(against), sums(np.where(against, both, 0.0)), sums(is_known)


def _pooled_error(segments: Segments, scorecard: pd.DataFrame) -> Floats:
    """The published standard error of the effect on everybody; that at one mix where there is none."""
    keys = ["as_of_date", "experiment_id", "metric_id", "variant_id"]
    whole = scorecard[(scorecard["segment_name"] == "all").to_numpy()]
    found = segments.heads[keys].merge(whole[[*keys, "effect_se"]], on=keys, how="left", validate="m:1")
    own = np.where(segments.used, (segments.se) ** -2.0, 0.0)
    with np.errstate(divide="ignore"):
        pooled = 1 / np.sqrt(segments.groups.sum(own))
    error = found["effect_se"].to_numpy(dtype=float)
    return np.where(np.isnan(error), pooled, error)


def _leading(segments: Segments, found: Mix) -> NDArray[np.intp]:
    """Position of each group's row that contributes most to the mix effect, in its direction."""
    toward = np.nan_to_num(found.contribution * np.sign(segments.groups.each(found.mix_effect)), nan=-np.inf)
    order = np.lexsort((-toward, segments.groups.number))
    return order[segments.groups.starts]


def _explained(segments: Segments, found: Mix, leading: NDArray, finding: NDArray, opposed: Floats) -> NDArray:
    """What was found, in words; "" where nothing was."""
    text = np.full(finding.size, "", dtype=object)
    values = segments.rows["segment_value"].to_numpy(dtype=object)
    names = segments.heads["segment_name"].to_numpy(dtype=object)
    for at in np.flatnonzero((finding == REVERSAL) | (finding == MIX_SHIFT)):
        row = leading[at]
        text[at] = (
            f"the arms hold different mixes of {names[at]}: {values[row]} is {found.treatment_share[row]:.1%} of the "
            f"treatment and {found.baseline_share[row]:.1%} of the baseline; at one mix the effect is "
            f"{found.standardised[at]:.4g} instead of {found.pooled[at]:.4g}"
        )
    for at in np.flatnonzero(finding == MOST_OPPOSED):
        text[at] = f"segments with {opposed[at]:.0%} of the units point the other way than the effect on everybody"
    return text
