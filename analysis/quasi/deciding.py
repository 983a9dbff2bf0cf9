"""What a quasi-experiment recommends: once, at its end, and no more than `review` unless every assumption passes."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pandas as pd

from analysis.decisions.reasons import Outcome, Reason, Verdict, reasons_json
from analysis.periods import as_days
from analysis.quasi.study import ASSUMPTION_FAILED, EFFECT, OK
from configs.schema import Experiment, Metric

RULE = "quasi_experiment"
COMPUTED = (OK, ASSUMPTION_FAILED)


def quasi_decisions(
    estimates: pd.DataFrame,
    checks: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    as_of_dates: Iterable[date],
) -> pd.DataFrame:
    """A row for each experiment and as-of date from its start to its end, in the columns of `decisions`.

    `continue` before the end. At it `review` where a primary metric or guardrail could not be estimated or one of its
    assumptions fails; else `ship` where a primary is better and every guardrail within its margin, `rollback` where
    a primary or guardrail is worse, `stop` where nothing is found.
    """
    effects = estimates[estimates["estimate"] == EFFECT]
    rows = []
    for as_of in sorted(set(as_of_dates)):
        for experiment in experiments.values():
            if not experiment.start <= as_of <= experiment.end:
                continue
            verdict = _verdict(
                _at(effects, experiment, as_of),
                _at(checks, experiment, as_of),
                experiment,
                metrics,
                as_of,
            )
            rows.append(
                {
                    "as_of_date": as_of,
                    "experiment_id": experiment.id,
                    "recommendation": verdict.recommendation,
                    "variant_id": verdict.variant_id or "",
                    "rule": RULE,
                    "reasons": reasons_json(verdict.reasons),
                    "summary": verdict.summary,
                }
            )
    columns = ["as_of_date", "experiment_id", "recommendation", "variant_id", "rule", "reasons", "summary"]
    frame = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[1:], "str"))
    return frame.assign(as_of_date=as_days(frame["as_of_date"]))


def _at(frame: pd.DataFrame, experiment: Experiment, as_of: date) -> pd.DataFrame:
    return frame[(frame["experiment_id"] == experiment.id) & (frame["as_of_date"] == pd.Timestamp(as_of))]


def _verdict(
    estimates: pd.DataFrame, checks: pd.DataFrame, experiment: Experiment, metrics: Mapping[str, Metric], as_of: date
) -> Verdict:
    if as_of < experiment.end:
        summary = f"Runs until {experiment.end}: a quasi-experiment is decided once, at its end."
        return Verdict("continue", None, (Reason("planned_end", "continue", summary),), summary)
    variant = experiment.treatments[0].id
    deciding = estimates[estimates["role"] != "secondary"]
    doubts = [*_not_estimated(deciding), *_failed_checks(checks, set(deciding["metric_id"]))]
    found = [
        _reason(row, experiment, metrics) for row in deciding[deciding["status"].isin(COMPUTED)].to_dict("records")
    ]
    reasons = (*doubts, *found)
    said = "; ".join(reason.message for reason in found) or "nothing could be estimated"
    if doubts:
        why = "; ".join(dict.fromkeys(reason.message for reason in doubts))
        return Verdict(
            "review", variant, reasons, f"For people to judge, not proven by the data alone: {why}. Found: {said}."
        )
    outcomes = [reason.outcome for reason in found]
    if "rollback" in outcomes:
        return Verdict(
            "rollback", variant, reasons, f"The change did harm, and every assumption passed its check: {said}."
        )
    if "ship" in outcomes and "review" in outcomes:
        return Verdict("review", variant, reasons, f"A guardrail is not proven to be within its margin: {said}.")
    if "ship" in outcomes:
        return Verdict("ship", variant, reasons, f"The change helped, and every assumption passed its check: {said}.")
    return Verdict("stop", None, reasons, f"No effect was found that the data can tell from none: {said}.")


def _not_estimated(rows: pd.DataFrame) -> list[Reason]:
    return [
        Reason("not_estimated", "review", f"{row['metric_id']} is {row['status']}: {row['reason']}", row["metric_id"])
        for row in rows[~rows["status"].isin(COMPUTED)].to_dict("records")
    ]


def _failed_checks(checks: pd.DataFrame, metric_ids: set[str]) -> list[Reason]:
    failed = checks[~checks["passed"].astype(bool) & checks["metric_id"].isin(metric_ids)]
    return [
        Reason(
            row["check_name"],
            "review",
            f"{row['metric_id']} fails {row['check_name']}: {row['message']}",
            row["metric_id"],
            value=row["statistic"],
            threshold=row["threshold"],
        )
        for row in failed.to_dict("records")
    ]


def _reason(row: Mapping[str, Any], experiment: Experiment, metrics: Mapping[str, Metric]) -> Reason:
    """What a computed effect speaks for."""
    metric = metrics[row["metric_id"]]
    sign = 1 if metric.direction == "increase" else -1
    label, alpha = metric.label or metric.id, experiment.analysis.alpha
    change = f"{row['effect']:+.4g} ({row['ci_low_adjusted']:+.4g} to {row['ci_high_adjusted']:+.4g})"
    is_worse = bool(row["significant"]) and sign * row["effect"] < 0
    if row["role"] == "guardrail":
        within = row["p_value_non_inferiority"] < alpha
        outcome: Outcome = "rollback" if is_worse and not within else "note" if within else "review"
        said = (
            "is within its margin" if within else "got worse" if is_worse else "is not proven to be within its margin"
        )
        return Reason(
            "guardrail", outcome, f"{label} {said}: {change}", metric.id, row["variant_id"],
            value=row["p_value_non_inferiority"], threshold=alpha,
        )  # fmt: skip
    outcome = "rollback" if is_worse else "ship" if row["significant"] else "stop"
    said = "is worse" if is_worse else "is better" if row["significant"] else "shows no proven change"
    return Reason(
        "primary", outcome, f"{label} {said}: {change}", metric.id, row["variant_id"],
        value=row["p_value_adjusted"], threshold=alpha,
    )  # fmt: skip
