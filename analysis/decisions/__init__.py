"""Decisions: what the evidence of an experiment recommends, and why.

Precedence: invalid → rollback → continue → ship → review → stop. A decision rule says what a treatment has to
show; name one in RULES and experiments can ask for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import pandas as pd

from analysis.decisions import wording
from analysis.decisions.clear_signals import CLEAR_SIGNALS
from analysis.decisions.do_no_harm import DO_NO_HARM
from analysis.decisions.evidence import Evidence, EvidenceFrames
from analysis.decisions.factorial import decide_factorial, factorial_evidence
from analysis.decisions.holdout import measured
from analysis.decisions.monitor import rollback_monitor
from analysis.decisions.notes import Notes
from analysis.decisions.reasons import Reason, Verdict, reasons_json
from analysis.decisions.risk_aware import RISK_AWARE
from analysis.decisions.rule import Rule
from analysis.decisions.verdict import decide, monitored
from analysis.periods import analysis_end, as_days
from configs.schema import Experiment, Metric

RULES: dict[str, Rule] = {"risk_aware": RISK_AWARE, "clear_signals": CLEAR_SIGNALS, "do_no_harm": DO_NO_HARM}

COLUMNS = ["as_of_date", "experiment_id", "recommendation", "variant_id", "rule", "reasons", "summary"]
FINAL = frozenset({"ship", "stop", "rollback"})


def decisions(
    scorecard: pd.DataFrame,
    health: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    as_of_dates: Iterable[date],
    mixes: pd.DataFrame | None = None,
    trends: pd.DataFrame | None = None,
    factorial_effects: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """A decision for every analysed experiment at each of `as_of_dates` from its start on.

    `fixed` and `bayesian` are decided once, on the first as-of date of the scorecard by which every metric is mature;
    before it the decision is `continue`, `invalid`, or `rollback` where the rollback monitor found harm. Sequential
    methods are asked at every as-of date. Once ship, stop or rollback, and from the end on whatever it is, a
    decision stays; later dates get a row only where the frames hold the deciding one. A holdout is measured at its end;
    an experiment with factors is decided by `factorial_effects`, which it needs.
    `reasons` is a JSON list of `Reason`s; what `mixes` (segment_mixes) and `trends` (effect_trends) found at the final
    as-of date is a note among them.
    """
    dates = sorted(set(as_of_dates))
    frames = EvidenceFrames(scorecard, health, rollback_monitor(scorecard, experiments, metrics))
    notes, rows = Notes(mixes, trends), []
    for experiment in experiments.values():
        if experiment.decision.rule not in RULES:
            known = ", ".join(sorted(RULES))
            raise ValueError(
                f"experiment {experiment.id}: unknown decision rule {experiment.decision.rule!r}; known: {known}"
            )
        if experiment.is_analysed:
            timeline = _Timeline(frames, notes, experiment, metrics, factorial_effects)
            decided = ((as_of, timeline.at(as_of)) for as_of in dates)
            rows += [_row(as_of, experiment, verdict) for as_of, verdict in decided if verdict is not None]
    frame = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[1:], "str"))
    frame["as_of_date"] = as_days(frame["as_of_date"])
    return frame.sort_values(["as_of_date", "experiment_id"], ignore_index=True)


class _Timeline:
    """The verdicts of one experiment, each day's taken once."""

    def __init__(
        self,
        frames: EvidenceFrames,
        notes: Notes,
        experiment: Experiment,
        metrics: Mapping[str, Metric],
        factorial_effects: pd.DataFrame | None,
    ) -> None:
        self._frames, self._notes, self._experiment, self._metrics = frames, notes, experiment, metrics
        self._factorial_effects = factorial_effects
        self._due = analysis_end(experiment, metrics)
        self._verdicts: dict[date, Verdict] = {}

    def at(self, as_of: date) -> Verdict | None:
        """The verdict that holds at an as-of date: the first final one, else the date's own."""
        if as_of < self._experiment.start:
            return None
        for day in self._deciding_days():
            if day > as_of:
                break
            verdict = self._of_day(day)
            if day >= self._due or verdict.recommendation in FINAL:
                return verdict
        return self._of_day(as_of) if as_of <= self._due else None

    def _deciding_days(self) -> Iterator[date]:
        """The scored days on which a final verdict may fall."""
        for day in self._frames.scored_days(self._experiment.id):
            is_asked = self._experiment.analysis.is_sequential or self._frames.has_alarm(self._experiment.id, day)
            if day >= self._experiment.start and (is_asked or day >= self._due):
                yield day

    def _of_day(self, day: date) -> Verdict:
        if day not in self._verdicts:
            verdict = self._taken(self._frames.at(self._experiment, self._metrics, day))
            is_final = day >= self._due
            self._verdicts[day] = self._notes.added_to(verdict, self._experiment.id, day) if is_final else verdict
        return self._verdicts[day]

    def _taken(self, evidence: Evidence) -> Verdict:
        if evidence.failed_checks or not evidence.is_checked:
            return Verdict("invalid", None, _quality_reasons(evidence), wording.invalid(evidence.failed_checks))
        experiment, rule = evidence.experiment, RULES[evidence.experiment.decision.rule]
        if experiment.type == "holdout":
            return measured(evidence, self._due)
        if experiment.factors and evidence.as_of >= self._due:
            if self._factorial_effects is None:
                raise ValueError(f"experiment {experiment.id}: its effects by factor are not given")
            found = factorial_evidence(self._factorial_effects, experiment, self._metrics, evidence.as_of)
            return decide_factorial(evidence, found, rule, self._due)
        if evidence.as_of >= self._due or experiment.analysis.is_sequential:
            return decide(evidence, rule, self._due)
        harm = monitored(evidence)
        if harm is not None:
            return harm
        summary = wording.planned_end(experiment.end, self._due)
        return Verdict("continue", None, (Reason("planned_end", "continue", summary),), summary)


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
