"""Status and reason of a whole group of segments, from those of its rows."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.heterogeneity.columns import TOO_FEW_SEGMENTS
from analysis.heterogeneity.segments import PAIR, Segments
from analysis.statistics.inference import INFERENCES
from configs.schema import Experiment

EXPLORATORY = "exploratory: these segments were not pre-registered"
ONE_LOOK = "this date's test alone, to be looked at once"
# Warnings of a row that concern the test of its whole group, from the mildest to the gravest.
_CARRIED = {
    "no_covariate": "{n} of {used} segments without their covariate",
    "fewer_covariates": "{n} of {used} segments without some of their covariates",
    "skewed": "skewed: in {n} of {used} segments a tail's probability is off",
    "miscalibrated": "miscalibrated: the metric's own units reject too often or too rarely",
}
_LEFT_OUT = {
    "no_error": "without a standard error",
    "too_few_units": "too small",
    "too_few_events": "with too few events or non-events",
}


def group_statuses(segments: Segments, fewest: int) -> tuple[NDArray, NDArray]:
    """Status and reason of each group; below `fewest` segments it fails, with what its segments say."""
    groups, n_used = segments.groups, segments.groups.sum(segments.used)
    n_rows = groups.sum(np.ones(groups.number.size))
    status, reason = (np.full(groups.count, "", dtype=object) for _ in range(2))
    status[:] = "ok"
    for name, text in _CARRIED.items():
        count = groups.sum(segments.used & (segments.rows["status"] == name).to_numpy())
        found = count > 0
        status[found] = name
        said = [text.format(n=int(n), used=int(used)) for n, used in zip(count[found], n_used[found], strict=True)]
        reason[found] = joined(reason[found], said)
    left_out = _left_out(segments)
    some = left_out != ""
    reason[some] = joined(reason[some], left_out[some])
    too_few = n_used < fewest
    status[too_few] = TOO_FEW_SEGMENTS
    reason[too_few] = [
        f"{int(used)} of {int(n)} segments can be compared, {fewest} are needed" + (f"; {text}" if text else "")
        for used, n, text in zip(n_used[too_few], n_rows[too_few], left_out[too_few], strict=True)
    ]
    return _of_rows_where_all_fail_alike(segments, status, reason)


def caveats(segments: Segments, experiments: Mapping[str, Experiment]) -> NDArray:
    """What `reason` says of a test of each group beside its own findings."""
    heads = segments.heads
    text = np.where(is_preregistered(heads, experiments), "", EXPLORATORY).astype(object)
    inference = heads["method"].str.split(" ").str[1]
    sequential = [name for name, method in INFERENCES.items() if method.holds_at_every_look]
    one_look = inference.isin(sequential).to_numpy()
    text[one_look] = joined(text[one_look], np.full(one_look.sum(), ONE_LOOK, dtype=object))
    return text


def is_preregistered(heads: pd.DataFrame, experiments: Mapping[str, Experiment]) -> NDArray[np.bool_]:
    """Whether the plan named a group's dimension, of a pair both."""
    planned = {id_: set(experiment.preregistered_segments) for id_, experiment in experiments.items()}
    pairs = heads[["experiment_id", "segment_name"]].drop_duplicates()
    named = {
        (id_, name): set(name.split(PAIR)) <= planned.get(id_, set()) for id_, name in pairs.itertuples(index=False)
    }
    return np.array([named[key] for key in zip(heads["experiment_id"], heads["segment_name"], strict=True)], dtype=bool)


def joined(reasons: NDArray, additions: NDArray | list[str]) -> NDArray:
    """Reasons with something added, set off by "; "."""
    both = zip(reasons, additions, strict=True)
    return np.array(["; ".join(part for part in pair if part) for pair in both], dtype=object)


def _left_out(segments: Segments) -> NDArray:
    """Of each group how many segments are not compared and why, in words; "" where all are."""
    text = np.full(segments.groups.count, "", dtype=object)
    out = np.flatnonzero(~segments.used)
    if out.size:
        frame = pd.DataFrame({"group": segments.groups.number[out], "why": segments.why_not[out]})
        counts = frame.groupby(["group", "why"]).size().reset_index(name="n")
        counts["text"] = counts["n"].astype(str) + " " + counts["why"].replace(_LEFT_OUT)
        said = counts.groupby("group")["text"].agg(", ".join)
        total = counts.groupby("group")["n"].sum()
        text[said.index.to_numpy()] = [f"{n} segments left out: {why}" for n, why in zip(total, said, strict=True)]
    return text


def _of_rows_where_all_fail_alike(segments: Segments, status: NDArray, reason: NDArray) -> tuple[NDArray, NDArray]:
    """Where every segment fails with one status for one reason (logs missing, say) the group says just that."""
    rows = segments.rows.loc[segments.groups.starts, ["status", "reason"]].reset_index(drop=True)
    alike = ~segments.used
    for name in ("status", "reason"):
        alike &= segments.rows[name].to_numpy() == rows[name].to_numpy()[segments.groups.number]
    is_own = ~np.isin(segments.why_not.astype(str), list(_LEFT_OUT))
    all_alike = segments.groups.sum(alike & is_own) == segments.groups.sum(np.ones(alike.size))
    status[all_alike] = rows["status"].to_numpy()[all_alike]
    reason[all_alike] = rows["reason"].to_numpy()[all_alike]
    return status, reason
