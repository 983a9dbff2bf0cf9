"""What segments and days since exposure say beside a decision: notes, which change no recommendation."""

import math
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd

from analysis.decisions.reasons import Reason, Verdict
from analysis.heterogeneity.effect_trends import NOVELTY, PRIMACY, WEEKS
from analysis.heterogeneity.mixes import MIX_ALPHA, MIX_SHIFT, MOST_OPPOSED, REVERSAL
from analysis.periods import as_days

DECIDING_ROLES = ("primary", "guardrail")
_MIX_FINDINGS = (REVERSAL, MIX_SHIFT, MOST_OPPOSED)
_Day = tuple[str, date]


class Notes:
    """The findings on an experiment's primaries and guardrails, by as-of date.

    Segments and trends are kept for the latest and the final as-of date alone: a verdict that must be the same
    whenever it is computed may quote only those of the final one.
    """

    def __init__(self, mixes: pd.DataFrame | None, trends: pd.DataFrame | None) -> None:
        """Take `segment_mixes` and `effect_trends`; None: there are none."""
        self._found: dict[_Day, dict[tuple[str, ...], Reason]] = {}
        if mixes is not None:
            for row in _found(mixes, _MIX_FINDINGS):
                self._add(row, row.segment_name, _mix_note(row))
        if trends is not None:
            rows = _found(trends, (NOVELTY, PRIMACY))
            for row in sorted(rows, key=lambda row: row.term != WEEKS):  # weeks are read more easily than slopes
                self._add(row, "", _trend_note(row))

    def _add(self, row: Any, segment_name: str, note: Reason) -> None:
        notes = self._found.setdefault((row.experiment_id, row.as_of_date.date()), {})
        notes.setdefault((note.rule, row.metric_id, row.variant_id, segment_name), note)

    def added_to(self, verdict: Verdict, experiment_id: str, as_of: date) -> Verdict:
        """The verdict with the date's findings among its reasons; a reversal is in the summary as well."""
        notes = tuple(self._found.get((experiment_id, as_of), {}).values())
        if not notes or verdict.recommendation == "invalid":
            return verdict
        reversals = [note.message for note in notes if note.rule == REVERSAL]
        caution = f" Look at the segments before acting: {reversals[0]}." if reversals else ""
        return replace(verdict, reasons=(*verdict.reasons, *notes), summary=verdict.summary + caution)


def _found(frame: pd.DataFrame, findings: tuple[str, ...]) -> list[Any]:
    kept = frame[frame["finding"].isin(findings) & frame["role"].isin(DECIDING_ROLES)]
    kept = kept.assign(as_of_date=as_days(kept["as_of_date"]))
    order = ["as_of_date", "experiment_id", "metric_id", "variant_id", "segment_name", "term"]
    return list(kept.sort_values([name for name in order if name in kept], kind="stable").itertuples())


def _mix_note(row: Any) -> Reason:
    is_mix = row.finding != MOST_OPPOSED
    return Reason(
        row.finding,
        "note",
        f"{row.metric_id} of {row.variant_id}, by {row.segment_name}: {row.reason}",
        row.metric_id,
        row.variant_id,
        row.p_value if is_mix else row.opposed_share,
        MIX_ALPHA if is_mix else None,
    )


def _trend_note(row: Any) -> Reason:
    way = "fades" if row.finding == NOVELTY else "grows"
    if row.term == WEEKS and math.isfinite(row.first_week_effect):
        form = "+.1%" if row.scale == "relative" else "+.4g"
        first, last = format(row.first_week_effect, form), format(row.last_week_effect, form)
        what = f"{first} in the first week since exposure, {last} in the last of {row.n_days} days"
    else:
        what = f"by its slope over {row.n_days} days since exposure"
    return Reason(
        row.finding,
        "note",
        f"the effect of {row.variant_id} on {row.metric_id} {way}: {what}",
        row.metric_id,
        row.variant_id,
        row.p_value_adjusted,
        1 - row.confidence_level,
    )
