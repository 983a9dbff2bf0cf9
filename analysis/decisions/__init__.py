"""Decisions: what the evidence of an experiment recommends, and why.

Precedence: invalid → rollback → continue → ship → review → stop. A decision rule is a function from
`Evidence` at the deciding date to a `Verdict`; name one in RULES and experiments can ask for it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date

import pandas as pd

from analysis.decisions import wording
from analysis.decisions.evidence import Evidence, EvidenceFrames
from analysis.decisions.reasons import Reason, Verdict, reasons_json
from analysis.decisions.risk_aware import risk_aware
from analysis.periods import analysis_end, as_days
from configs.schema import Experiment, Metric

RULES: dict[str, Callable[[Evidence], Verdict]] = {"risk_aware": risk_aware}

COLUMNS = ["as_of_date", "experiment_id", "recommendation", "variant_id", "rule", "reasons", "summary"]


def decisions(
    scorecard: pd.DataFrame,
    health: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    as_of_dates: Iterable[date],
) -> pd.DataFrame:
    """A decision for every analysed experiment at each of `as_of_dates` from its start on.

    Before the planned end the decision is `continue`, or `invalid`. It is taken once, on the first as-of date of
    the scorecard by which every metric is mature, from that date's rows, and then stays; later dates get a
    row only where the frames hold the deciding one. `reasons` is a JSON list of `Reason`s.
    """
    frames, dates = EvidenceFrames(scorecard, health), sorted(set(as_of_dates))
    rows = []
    for experiment in experiments.values():
        if experiment.decision.rule not in RULES:
            known = ", ".join(sorted(RULES))
            raise ValueError(
                f"experiment {experiment.id}: unknown decision rule {experiment.decision.rule!r}; known: {known}"
            )
        verdicts: dict[date, Verdict] = {}
        for as_of in dates if experiment.is_analysed else ():
            day = _evidence_day(frames, experiment, metrics, as_of)
            if day is not None:
                if day not in verdicts:
                    verdicts[day] = _decide(frames.at(experiment, metrics, day), analysis_end(experiment, metrics))
                rows.append(_row(as_of, experiment, verdicts[day]))
    frame = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[1:], "str"))
    frame["as_of_date"] = as_days(frame["as_of_date"])
    return frame.sort_values(["as_of_date", "experiment_id"], ignore_index=True)


def _evidence_day(
    frames: EvidenceFrames, experiment: Experiment, metrics: Mapping[str, Metric], as_of: date
) -> date | None:
    """The as-of date whose evidence counts at `as_of`: itself, until the experiment has been decided."""
    due = analysis_end(experiment, metrics)
    if as_of < experiment.start:
        return None
    if as_of < due:
        return as_of
    decided = frames.first_scored_day(experiment.id, due)
    if decided is not None and decided <= as_of:
        return decided
    return as_of if as_of == due else None


def _decide(evidence: Evidence, due: date) -> Verdict:
    if evidence.failed_checks or not evidence.is_checked:
        return Verdict("invalid", None, _quality_reasons(evidence), wording.invalid(evidence.failed_checks))
    if evidence.as_of < due:
        summary = wording.planned_end(evidence.experiment.end, due)
        return Verdict("continue", None, (Reason("planned_end", "continue", summary),), summary)
    return RULES[evidence.experiment.decision.rule](evidence)


def _quality_reasons(evidence: Evidence) -> tuple[Reason, ...]:
    if not evidence.failed_checks:
        return (Reason("health_checks", "invalid", "no health check was computed"),)
    return tuple(
        Reason(check.name, "invalid", check.message, value=check.statistic, threshold=check.threshold)
        for check in evidence.failed_checks
    )


def _row(as_of: date, experiment: Experiment, verdict: Verdict) -> tuple[object, ...]:
    reasons = reasons_json(verdict.reasons)
    rule = experiment.decision.rule
    return (as_of, experiment.id, verdict.recommendation, verdict.variant_id, rule, reasons, verdict.summary)
