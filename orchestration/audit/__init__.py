"""Audits a day before it is committed: Great Expectations over its profile and a sample of its rows.

Every row was judged already, in SQL. The audit asks what no single row can show (is the day like other days?), what the
source's suite says of its rows, and reads back what was written, as an independent check of that SQL.
"""

from collections.abc import Container, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from orchestration.audit.checks import Check, contract_expectations, figure_checks, in_words, row_checks
from orchestration.audit.day_figures import SUBJECT, day_figures
from orchestration.audit.evidence import DayContract, DayEvidence, DaySuite, NamedColumn
from orchestration.audit.findings import (
    SUITE_IS_VALID,
    Finding,
    describe_failures,
    describe_observed,
    describe_warnings,
)
from orchestration.audit.validation import validate

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

__all__ = [
    "DayContract",
    "DayEvidence",
    "DaySuite",
    "Finding",
    "NamedColumn",
    "audit_days",
    "describe_failures",
    "describe_observed",
    "describe_warnings",
]

_EXAMPLES = 10
_VALUES_SHOWN = 5


def audit_days(days: Sequence[DayEvidence]) -> list[list[Finding]]:
    """Judge each day; the findings of a day do not depend on the others.

    A validation costs much the same for one day as for many. So the figures of all days are validated together first,
    and their rows, and what some value of a day fails once more for that day alone.
    """
    if not days:
        return []
    figures = [day_figures(day) for day in days]
    asked = [figure_checks(day, frame) for day, frame in zip(days, figures, strict=True)]
    failing = _failing(figures, asked)
    rows = [day.named_rows() for day in days]
    asked_of_rows = [row_checks(day) for day in days]
    failing_rows = _failing(rows, asked_of_rows)
    return [
        [
            *_suite_problem(day),
            *_sorted(_judge(figures[index], asked[index], failing[index], [SUBJECT])),
            *_sorted(_judge_contract(day)),
            *_judge(rows[index], asked_of_rows[index], failing_rows[index], day.locators),
        ]
        for index, day in enumerate(days)
    ]


def _failing(frames: Sequence[pd.DataFrame], asked: Sequence[Sequence[Check]]) -> list[set[Check]]:
    """For each frame the checks that some value of it fails, be it one of a million."""
    failing: list[set[Check]] = [set() for _ in frames]
    checks = list(dict.fromkeys(check for some in asked for check in some))
    if not checks:
        return failing
    together = pd.concat(frames, ignore_index=True)
    ends = np.cumsum([len(frame) for frame in frames])
    expectations = [check.expectation() for check in checks]
    results = validate(together, expectations, {"result_format": "COMPLETE", "partial_unexpected_count": 0})
    for check, result in zip(checks, results, strict=True):
        for number in np.unique(np.searchsorted(ends, result.result["unexpected_index_list"], side="right")):
            failing[number].add(check)
    return failing


def _judge(
    frame: pd.DataFrame, checks: Sequence[Check], failing: Container[Check], locators: Sequence[str]
) -> list[Finding]:
    """A finding for each check, in order; only those that some value fails are asked again."""
    unmet = [check for check in checks if check in failing]
    result_format = {
        "result_format": "SUMMARY",
        "partial_unexpected_count": _EXAMPLES,
        "unexpected_index_column_names": list(locators),
    }
    results = validate(frame, [check.expectation() for check in unmet], result_format) if unmet else []
    answers = dict(zip(unmet, results, strict=True))
    return [_finding(check, answers.get(check)) for check in checks]


def _finding(check: Check, answer: "ExpectationValidationResult | None") -> Finding:
    success = True
    observed: Any = []
    rows: list[Mapping[str, Any]] = []
    if answer is not None:
        success = bool(answer.success)
        found = answer.result.get("partial_unexpected_index_list") or []
        if found and SUBJECT in found[0]:
            observed = {row[SUBJECT]: round(float(row[check.column]), 4) for row in found}
        elif answer.result["unexpected_count"]:
            observed = _share_of_rows(answer.result)
            rows = [{name: _plain(value) for name, value in row.items()} for row in found if not success]
    return Finding(check.name, check.column, success, check.severity, observed, check.threshold, rows)


def _share_of_rows(result: Mapping[str, Any]) -> list[str]:
    """Which values were not expected, and how many: of those there are, or of all where a missing one is the fault."""
    values = [_shown(value) for value in dict.fromkeys(result["partial_unexpected_list"]) if not pd.isna(value)]
    share = result.get("unexpected_percent_nonmissing", result.get("unexpected_percent", 0.0))
    return [f"{', '.join(values[:_VALUES_SHOWN]) or 'missing'} in {share:.3g} % of the sampled rows"]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _plain(value: Any) -> Any:
    """The value as JSON holds it."""
    if isinstance(value, datetime | date):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    if not isinstance(value, str) and pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _judge_contract(day: DayEvidence) -> list[Finding]:
    if not len(day.sample):
        return []
    result_format = {"result_format": "BASIC", "partial_unexpected_count": _EXAMPLES}
    return [
        _contract_finding(result) for result in validate(day.sample, contract_expectations(day.contract), result_format)
    ]


def _contract_finding(result: "ExpectationValidationResult") -> Finding:
    assert result.expectation_config is not None
    arguments, found = result.expectation_config.kwargs, result.result
    known = arguments.get("value_set")
    return Finding(
        expectation=result.expectation_config.type,
        column=arguments["column"] if "column" in arguments else ", ".join(arguments["column_list"]),
        success=bool(result.success),
        severity="critical",
        observed=str(found["observed_value"])
        if "observed_value" in found
        else [str(value) for value in found["partial_unexpected_list"]],
        threshold=in_words(arguments.get("min_value"), arguments.get("max_value"))
        if known is None
        else f"one of {len(known)} known values",
    )


def _suite_problem(day: DayEvidence) -> list[Finding]:
    if not day.suite.problem:
        return []
    threshold = "a suite without errors; the built-in expectations hold instead"
    return [Finding(SUITE_IS_VALID, "suite", False, "warning", day.suite.problem, threshold)]


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.expectation, finding.column, finding.threshold))
