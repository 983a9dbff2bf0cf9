"""Each segment's effect beside what to expect of it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from analysis.heterogeneity.columns import SEGMENT_EFFECT_COLUMNS, TOO_FEW_SEGMENTS, typed
from analysis.heterogeneity.segments import FEWEST_EVENTS, SMALLEST, Segments
from analysis.heterogeneity.shrinkage import FEWEST_SEGMENTS, shrunken
from analysis.heterogeneity.statuses import caveats, joined
from configs.schema import Experiment

ON_AVERAGE = "the interval covers on average over these segments, not each of them"
_REASONS = {
    "no_error": "the method gives no standard error, so nothing can be shrunken",
    "too_few_units": f"the smaller arm expects fewer than {SMALLEST} units",
    "too_few_events": f"the smaller arm expects fewer than {FEWEST_EVENTS} events or non-events",
}
_ALONE = f"not shrunken: fewer than {FEWEST_SEGMENTS} segments say nothing of how effects are spread"


def segment_effects(segments: Segments, experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    """A row per comparison and segment, with its shrunken effect and an interval at the experiment's level."""
    rows = segments.rows
    found = shrunken(segments.effect, segments.se, segments.freedom, segments.groups)
    alpha = 1 - rows["confidence_level"].to_numpy(dtype=float)
    half = -special.ndtri(alpha / 2) * found.sd
    status, reason = (rows[name].to_numpy(dtype=object).copy() for name in ("status", "reason"))
    for name, text in _REASONS.items():
        mine = segments.why_not == name
        status[mine] = "too_few_units" if name == "too_few_events" else "not_computed" if name == "no_error" else name
        reason[mine] = text
    is_shrunken = ~np.isnan(found.effect)
    alone = segments.used & ~is_shrunken
    status[alone], reason[alone] = TOO_FEW_SEGMENTS, _ALONE
    said = segments.groups.each(joined(caveats(segments, experiments), np.full(segments.groups.count, ON_AVERAGE)))
    warned = rows["status"].to_numpy(dtype=object)
    kept = np.where(warned == "ok", "", reason)
    reason[is_shrunken] = joined(said[is_shrunken], kept[is_shrunken])
    return typed(
        {name: rows[name] for name in rows.columns}
        | {
            "shrunken_effect": found.effect,
            "shrunken_sd": found.sd,
            "shrunken_ci_low": found.effect - half,
            "shrunken_ci_high": found.effect + half,
            "shrinkage": found.shrinkage,
            "status": status,
            "reason": reason,
        },
        SEGMENT_EFFECT_COLUMNS,
    )
