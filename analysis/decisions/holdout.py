"""A holdout is measured: what everything that its units were kept from did together."""

from datetime import date

from analysis.decisions import wording
from analysis.decisions.criteria import has_deteriorated
from analysis.decisions.evidence import Comparison, Evidence
from analysis.decisions.findings import harm_reason
from analysis.decisions.reasons import Reason, Verdict

RULE = "holdout"


def measured(evidence: Evidence, due: date) -> Verdict:
    """`continue` until every metric is complete, then `stop`: nothing is left to ship or to roll back as a whole.

    `review` where a metric is proven worse for those who got everything: one of what they got does harm.
    """
    if evidence.as_of < due:
        summary = wording.holdout_runs(due)
        return Verdict("continue", None, (Reason(RULE, "continue", summary),), summary)
    rows = [row for row in evidence.comparisons.values() if row.role == "primary"]
    harmed = [row for row in evidence.comparisons.values() if has_deteriorated(row, evidence.experiment)]
    reasons = [harm_reason(row, evidence.experiment) for row in harmed]
    reasons += [_measured(row) for row in rows]
    summary = wording.holdout([_words(row) for row in rows], harmed)
    return Verdict("review" if harmed else "stop", None, tuple(reasons), summary)


def _measured(row: Comparison) -> Reason:
    return Reason(RULE, "note", f"cumulative effect: {_words(row)}", row.metric_id, row.variant_id, value=row.effect)


def _words(row: Comparison) -> str:
    if not row.is_computed:
        return f"{row.label} has no result ({row.plain_reason or row.status})"
    return f"{row.label} {wording.plain_interval(row)}"
