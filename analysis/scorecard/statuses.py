"""One status and one reason for every comparison, from everything that was found about it."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.bootstraps import (
    CLOSED_FORM,
    bootstrap_reasons,
    missing_ends,
    relative_bootstrap_reasons,
)
from analysis.scorecard.categorical import CHI_SQUARED, SPARSE, SPARSE_REASON, UNDIRECTED, category_reasons
from analysis.scorecard.columns import FEWER_COVARIATES, NO_COVARIATE
from analysis.scorecard.inference import Arrays
from analysis.scorecard.quantiles import quantile_reasons, relative_reasons
from analysis.statistics.fieller import FIELLER_REASONS, FiellerShape
from analysis.statistics.inference import INFERENCES
from analysis.statistics.relative import WEAK_BASELINE
from analysis.statistics.skewness import TOLERANCE
from analysis.statistics.status import REASONS, Status

NO_COVARIATE_MOMENTS = "unadjusted: the covariate's moments are missing"
EXPLORATORY = "exploratory: a segment"
CARRIED = "no look at this date: tests and intervals are those of the last one"
OPEN_ENDED = "open-ended: units counted earlier keep growing, so this date's test stands alone, not the smallest so far"
# What makes the tests of an effect, and a test of its margin, pass too often or too rarely.
SKEWED, SKEWED_MARGIN = "skewed: ", "skewed margin test: "
SKEWED_EFFECT = f"{SKEWED}a tail's probability may be off by over {TOLERANCE}"
DRIFTING = "drifting: intervals of different dates do not overlap, so this date's own are shown"

_NAMES = np.array([status.name.lower() for status in Status], dtype=object)
_REASONS = np.array([REASONS[status] for status in Status], dtype=object)
_FIELLER_REASONS = np.array([FIELLER_REASONS[shape] for shape in FiellerShape], dtype=object)


def unusable_moments(rows: pd.DataFrame, baseline: Arrays, treatment: Arrays) -> tuple[NDArray, NDArray]:
    """Status and reason of comparisons that may not be computed; status "" where nothing forbids it."""
    overflow = baseline["n_overflow"] + treatment["n_overflow"]
    not_computed = baseline["n_not_computed"] + treatment["n_not_computed"]
    checks = [
        (rows["problem"].to_numpy() != "", "failed", rows["problem"]),
        (rows["blocked_status"].notna().to_numpy(), rows["blocked_status"], rows["blocked_reason"]),
        (rows["unpooled"].to_numpy() != "", "not_computed", rows["unpooled"]),
        (
            overflow > 0,
            "overflow",
            _counted(overflow, "units have a total beyond 1e14 of the metric's steps"),
        ),
        (
            not_computed > 0,
            "not_computed",
            _counted(not_computed, "units lack this metric's value; rerun from the experiment's start"),
        ),
    ]
    status, reason = (np.full(len(rows), "", dtype=object) for _ in range(2))
    for found, name, text in reversed(checks):
        status[found] = name if isinstance(name, str) else name.to_numpy(dtype=object)[found]
        reason[found] = np.asarray(text, dtype=object)[found]
    return status, reason


def statuses(rows: pd.DataFrame, results: Arrays, unusable: tuple[NDArray, NDArray]) -> tuple[NDArray, NDArray]:
    """The gravest status of each comparison, and as reason what failed or every warning, joined by "; "."""
    code = results["status"]
    forbidden = unusable[0] != ""
    failed = forbidden | (code != Status.OK)
    status = np.where(forbidden, unusable[0], _NAMES[code])
    own_words = category_reasons(rows, code, quantile_reasons(rows, code, _REASONS[code]))
    own_words = bootstrap_reasons(rows, code, own_words)
    reason = np.where(forbidden, unusable[1], own_words)
    undefined_relative = results["relative_status"] != Status.OK
    undefined_margin = results["non_inferiority_status"] != Status.OK
    relative_reason = np.where(
        undefined_relative, _REASONS[results["relative_status"]], _FIELLER_REASONS[results["relative_shape"]]
    )
    # From the mildest to the gravest: a later one takes the status, all stand in the reason.
    relative_reason = relative_reasons(rows, results["relative_status"], relative_reason)
    relative_reason = relative_bootstrap_reasons(rows, results["relative_status"], relative_reason)
    too_few_replicates = missing_ends(rows, results)
    warnings = [
        (_is_exploratory(rows), None, EXPLORATORY),
        (_is_closed_form(rows), None, CLOSED_FORM),
        (results["is_carried"] > 0, None, CARRIED),
        (
            rows["covariate_reason"].notna().to_numpy(),
            NO_COVARIATE,
            rows["covariate_reason"].to_numpy(object),
        ),
        (rows["dropped_reason"].to_numpy(object) != "", FEWER_COVARIATES, rows["dropped_reason"].to_numpy(object)),
        (results["is_sparse"] > 0, SPARSE, SPARSE_REASON),
        ((rows["estimator"] == CHI_SQUARED).to_numpy(), None, UNDIRECTED),
        (rows["strata_reason"].to_numpy(object) != "", None, rows["strata_reason"].to_numpy(object)),
        (results["is_skewed"] > 0, "skewed", SKEWED_EFFECT),
        (
            results["is_margin_skewed"] > 0,
            "skewed",
            f"{SKEWED_MARGIN}it may pass too often, by over {TOLERANCE}",
        ),
        (
            results["is_weak"] > 0,
            "weak_baseline",
            _weak_baseline(results["is_fieller"]),
        ),
        (_is_growing(rows), "open_ended", OPEN_ENDED),
        (results["is_drifting"] > 0, "drifting", DRIFTING),
        (undefined_margin, None, "no non-inferiority test: " + _REASONS[results["non_inferiority_status"]]),
        (too_few_replicates != "", None, too_few_replicates),
        (relative_reason != "", None, "no relative interval: " + relative_reason),
        (results["relative_status"] == Status.ZERO_BASELINE, "zero_baseline", None),
    ]
    for applies, name, text in warnings:
        warned = applies & ~failed
        if name is not None:
            status[warned] = name
        if text is not None:
            addition = text[warned] if isinstance(text, np.ndarray) else text
            reason[warned] = np.where(reason[warned] == "", "", reason[warned] + "; ") + addition
    # The rollback monitor reads the effect before its method's first test, and must know what not to trust.
    waits = np.isin(code, (Status.BURN_IN, Status.NO_LOOK)) & ~forbidden & (results["is_skewed"] > 0)
    reason[waits] += f"; {SKEWED_EFFECT}"
    return status, reason


def _is_exploratory(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Segments, but for those that the plan named beforehand."""
    planned = {
        (experiment_id, name)
        for experiment_id, names in zip(rows["experiment_id"], rows["preregistered_segments"], strict=True)
        for name in names
    }
    is_segment = (rows["segment_name"] != "all").to_numpy()
    named = pd.MultiIndex.from_frame(rows[["experiment_id", "segment_name"]]).isin(planned)
    return is_segment & ~named


def _is_closed_form(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Segments of bootstrapped metrics."""
    return (rows["replicates"].notna() & (rows["segment_name"] != "all")).to_numpy(dtype=bool)


def _is_growing(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Metrics without window under a method that holds at every look, which asks for units that stay as they are."""
    sequential = [name for name, method in INFERENCES.items() if method.holds_at_every_look]
    return (rows["inference"].isin(sequential) & rows["is_open_ended"]).to_numpy(dtype=bool)


def _weak_baseline(is_fieller: NDArray) -> NDArray:
    text = f"weak baseline: its mean is within {WEAK_BASELINE:g} SE of 0, "
    return np.where(is_fieller > 0, text + "the relative interval is Fieller's", text + "relative figures are rough")


def _counted(count: NDArray, text: str) -> NDArray:
    """The text behind its count, where there is one."""
    return np.array([f"{n:.0f} {text}" if n > 0 else "" for n in count], dtype=object)
