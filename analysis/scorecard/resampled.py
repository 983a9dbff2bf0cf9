"""Tests and intervals of comparisons whose arms were resampled, by kind of effect and margin."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.binomial import share_level_p
from analysis.statistics.bootstrap import ArmDraws, Bootstrap, compare_arms
from analysis.statistics.estimate import Estimate
from analysis.statistics.status import Codes, Floats, Status
from analysis.statistics.student_t import Interval


@dataclass(frozen=True)
class Resampled:
    """Comparisons of two arms' draws; `estimate` is the closed form's, for points and means.

    `status` is that of the bootstrap of the effect: where it is not OK there are no tests or intervals.
    """

    estimate: Estimate
    baseline: ArmDraws
    treatment: ArmDraws
    status: Codes
    is_corrected: bool

    def compare(self, comparison: Callable[[Floats, Floats], Floats]) -> Bootstrap:
        """The bootstrap of any comparison(treatment, baseline) of columns (comparisons, k)."""
        return compare_arms(self.baseline, self.treatment, comparison, corrected=self.is_corrected)

    def relative(self, alpha: Floats) -> tuple[Interval, Codes]:
        """Interval and status of the effect over |baseline|; IMPRECISE where the baseline's replicates reach 0."""
        share = self.compare(lambda t, b: (t - b) / np.abs(b))
        base = self.estimate.baseline.mean
        reaches_zero = (np.sign(self.baseline.replicates) != np.sign(base)[:, None]).any(axis=-1)
        status = np.select(
            [self.status != Status.OK, base == 0, reaches_zero],
            [self.status, np.int8(Status.ZERO_BASELINE), np.int8(Status.IMPRECISE)],
            share.status,
        ).astype(np.int8)
        ci, shown = finite(share.interval(alpha)), status == Status.OK
        return Interval(np.where(shown, ci.low, np.nan), np.where(shown, ci.high, np.nan)), status

    def margin_p(self, sign: Floats, margin: Floats, kind: NDArray) -> Floats:
        """One-sided p-value that sign·(T - B) is above -margin by its kind (a level: sign·(T - margin) above 0).

        NaN without a margin, and for a relative one of a baseline of 0. Each replicate has its own baseline, so a
        relative margin's noise counts.
        """
        has_margin = ~np.isnan(margin) & (kind != "")
        is_level, is_relative = kind == "level", kind == "relative"
        known = has_margin & (self.status == Status.OK) & ~(is_relative & (self.estimate.baseline.mean == 0))
        if not known.any():
            return np.full(len(margin), np.nan)
        of_baseline = np.where(is_level, 0.0, sign)
        share = np.where(is_relative & has_margin, margin, 0.0)
        shift = np.select([is_level, kind == "absolute"], [-sign * margin, margin], 0.0)
        s, k, r, c = (column[:, None] for column in (sign, of_baseline, share, np.where(has_margin, shift, 0.0)))
        p = self.compare(lambda t, b: s * t - k * b + r * np.abs(b) + c).upper_tail_p()
        return np.where(known, p, np.nan)

    def non_inferiority(self, rows: pd.DataFrame) -> tuple[Codes, Floats]:
        """Status and p-value of each guardrail's test; OK and NaN for other metrics."""
        sign, margin, kind = (rows[name].to_numpy() for name in ("sign", "margin", "margin_type"))
        p = self.margin_p(sign, margin, kind)
        # A share that never varied can still be held against a level.
        is_exact = rows["is_share"].to_numpy() & (kind == "level") & (self.estimate.status == Status.ZERO_VARIANCE)
        p = np.where(is_exact, share_level_p(self.estimate.treatment, sign, margin), p)
        undefined = (kind == "relative") & (self.estimate.baseline.mean == 0) & (self.status == Status.OK)
        return np.where(undefined, np.int8(Status.ZERO_BASELINE), np.int8(Status.OK)), p

    def equivalence(self, rows: pd.DataFrame) -> Floats:
        """The larger of two one-sided p-values, that the effect is above -margin and below it; else NaN (TOST)."""
        margin, kind = rows["equivalence_margin"].to_numpy(), rows["equivalence_margin_type"].to_numpy()
        up = np.ones(len(rows))
        return np.maximum(self.margin_p(up, margin, kind), self.margin_p(-up, margin, kind))


def finite(ends: Interval) -> Interval:
    """NaN for an end that takes more replicates than there are: an infinite one is no number."""
    return Interval(*(np.where(np.isfinite(end), end, np.nan) for end in (ends.low, ends.high)))
