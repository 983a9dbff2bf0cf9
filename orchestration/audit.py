"""Audits a day before it is committed: Great Expectations over its profile and a sample of its rows.

Every row was judged already, in SQL. The audit asks what no single row can show (is the day like other days?)
and reads back what was written, as an independent check of that SQL.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

ROWS_JUDGED = 20  # below it a share says little: the day is warned about, not kept out
QUARANTINE_SHARE_FAILS = 0.5
QUARANTINE_SHARE_WARNS = 0.05
DUPLICATE_SHARE_WARNS = 0.2
VOLUME_RATIO_WARNS = (0.5, 2.0)
SLICE_RATIO_WARNS = (0.25, 4.0)
SLICE_ROWS_COMPARED = 100  # a rarer slice varies that much by chance
NULL_SHARE_RISE_WARNS = 0.2
LATE_SHARE_WARNS = 0.01
SILENT_HOURS_WARN = 2  # more than that without a row, that usually have some: the day is a part of one
STEADY_ROWS, SILENT_HOURS_OF_FEWER_WARN = 1_000, 6  # a day of fewer rows has quiet hours by chance

_EXAMPLES = 10
_PROFILE_COLUMNS = [
    "subject",
    "rows",
    "volume_ratio",
    "duplicate_share",
    "quarantine_share",
    "unknown_share",
    "late_share",
    "silent_hours",
    "required_null_share",
    "null_share_rise",
    "slice_ratio",
]


@dataclass(frozen=True)
class DayContract:
    """What every accepted row of a day keeps.

    Columns never missing, columns that together occur once, value sets by column, and the range of instants (UTC).
    `has_steady_volume` says that days can be compared: exposures come and go with experiments, events do not; those of
    experiments that have `ended` only trickle in late.
    """

    required: tuple[str, ...]
    identity: tuple[str, ...]
    value_sets: Mapping[str, Sequence[str]]
    instant: str
    earliest: datetime
    latest: datetime
    has_steady_volume: bool
    ended: frozenset[str] = frozenset()

    @property
    def is_over(self) -> bool:
        """Whether every experiment has ended: what a log of exposures still brings is late, and much of it twice."""
        return not self.has_steady_volume and set(self.value_sets.get("experiment_id", ())) <= self.ended


@dataclass(frozen=True)
class Finding:
    """What one expectation found. A failed `critical` one keeps the day out of the lake."""

    expectation: str
    column: str
    success: bool
    severity: Literal["critical", "warning"]
    observed: Any
    threshold: str

    def as_dict(self) -> dict[str, Any]:
        """The finding as the manifest holds it."""
        return asdict(self)


@dataclass(frozen=True)
class DayEvidence:
    """What a day is judged by: its profile (as `ingest.profile` makes it) and a sample of its accepted rows."""

    profile: Mapping[str, Any]
    sample: pd.DataFrame
    contract: DayContract


def audit_days(days: Sequence[DayEvidence]) -> list[list[Finding]]:
    """Judge each day; the findings of a day do not depend on the others.

    A validation costs much the same for one day as for many. So the profiles are validated together first, and an
    expectation that any of them does not meet once more for each day alone.
    """
    if not days:
        return []
    frames = [_profile_frame(day.profile, day.contract) for day in days]
    checks = [_profile_checks(day, frame) for day, frame in zip(days, frames, strict=True)]
    met = _met_by_all(pd.concat(frames, ignore_index=True), {check for some in checks for check in some})
    return [
        _judge_profile(frame, some, met) + _judge_sample(day.sample, day.contract)
        for day, frame, some in zip(days, frames, checks, strict=True)
    ]


def describe_failures(findings: Sequence[Finding]) -> str:
    """The failed critical findings as one line, empty when there is none."""
    return "; ".join(
        f"{finding.column} is {_printed(finding.observed)}, expected {finding.threshold}"
        for finding in findings
        if finding.severity == "critical" and not finding.success
    )


def describe_warnings(findings: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What failed, as (slice that it is about, sentence) pairs; the slice is empty where all of the day is meant.

    `findings` are as a manifest holds them. Rows of unknown experiments are left out: they are nobody's fault.
    """
    failed = [finding for finding in findings if not finding["success"] and finding["column"] != "unknown_share"]
    sentences = []
    for finding in failed:
        observed = finding["observed"]
        parts = observed.items() if finding["column"] == "slice_ratio" else [("", observed)]
        sentences += [
            (
                subject,
                f"{finding['column']} is {_printed({subject: value} if subject else value)}, expected"
                f" {finding['threshold']}",
            )
            for subject, value in parts
        ]
    return sentences


def _profile_frame(profile: Mapping[str, Any], contract: DayContract) -> pd.DataFrame:
    """A row for the day, for each column and for each slice; what does not apply is NaN."""
    day = {
        "subject": "day",
        # A day without rows, or with none of a known experiment, is not one that lost its rows.
        "rows": profile["rows"] if profile["rows_read"] and profile["unknown_share"] < 1 else math.nan,
        "volume_ratio": _ratio(profile["rows"], profile["usual_rows"]) if contract.has_steady_volume else math.nan,
        "duplicate_share": profile["duplicate_share"],
        "quarantine_share": profile["quarantine_share"],
        "unknown_share": profile["unknown_share"],
        "late_share": profile["late_share"],
        "silent_hours": _silent_hours(profile) if contract.has_steady_volume else math.nan,
    }
    columns = [
        {
            "subject": name,
            "required_null_share": column["null_share"] if name in contract.required else math.nan,
            "null_share_rise": _rise(column["null_share"], column["usual_null_share"]),
        }
        for name, column in profile["columns"].items()
    ]
    slices = [
        {"subject": name, "slice_ratio": _ratio(part["rows"], part["usual_rows"])}
        for name, part in profile["slices"].items()
        if (part["usual_rows"] or 0) >= SLICE_ROWS_COMPARED and _is_comparable(name, part["rows"], contract)
    ]
    return pd.DataFrame([day, *columns, *slices], columns=_PROFILE_COLUMNS)


def _is_comparable(slice_: str, rows: int, contract: DayContract) -> bool:
    """Whether a slice is expected to be as large as ever: any event is; of exposures, those of a running experiment."""
    return contract.has_steady_volume or (rows > 0 and slice_.partition("/")[0] not in contract.ended)


def _silent_hours(profile: Mapping[str, Any]) -> float:
    """Hours of the day in which something usually happens and nothing did."""
    usual = profile["usual_hours"]
    return math.nan if usual is None else max(0.0, usual - profile["hours"])


def _ratio(rows: int, usual_rows: float | None) -> float:
    return rows / usual_rows if usual_rows else math.nan


def _rise(share: float, usual_share: float | None) -> float:
    return math.nan if usual_share is None else share - usual_share


@dataclass(frozen=True)
class _Check:
    """A figure of the profile and the range expected of it, both ends included; None: no end."""

    column: str
    low: float | None
    high: float | None
    is_critical: bool = False

    def expectation(self) -> "Expectation":
        # Great Expectations takes seconds to import, and is only needed where a day is ingested.
        from great_expectations.expectations import ExpectColumnValuesToBeBetween
        from great_expectations.expectations.metadata_types import FailureSeverity

        severity = FailureSeverity.CRITICAL if self.is_critical else FailureSeverity.WARNING
        return ExpectColumnValuesToBeBetween(
            column=self.column, min_value=self.low, max_value=self.high, severity=severity
        )


def _profile_checks(day: DayEvidence, frame: pd.DataFrame) -> list[_Check]:
    profile = day.profile
    is_judged = profile["rows_read"] * (1 - profile["unknown_share"]) >= ROWS_JUDGED
    silent_hours = SILENT_HOURS_WARN if (profile["usual_rows"] or 0) >= STEADY_ROWS else SILENT_HOURS_OF_FEWER_WARN
    checks = [
        _Check("unknown_share", None, QUARANTINE_SHARE_WARNS),
        _Check("required_null_share", None, 0, is_critical=True),
        _Check("volume_ratio", *VOLUME_RATIO_WARNS),
        _Check("silent_hours", None, silent_hours),
        _Check("slice_ratio", *SLICE_RATIO_WARNS),
        _Check("null_share_rise", None, NULL_SHARE_RISE_WARNS),
    ]
    if is_judged or not day.contract.is_over:
        checks += [
            _Check("rows", 1, None, is_judged),
            _Check("quarantine_share", None, QUARANTINE_SHARE_FAILS, is_judged),
        ]
    if is_judged and not day.contract.is_over:
        checks += [
            _Check("quarantine_share", None, QUARANTINE_SHARE_WARNS),
            _Check("late_share", None, LATE_SHARE_WARNS),
            _Check("duplicate_share", None, DUPLICATE_SHARE_WARNS),
        ]
    # Without recent days there is nothing to compare with: such an expectation would pass and say nothing.
    return [check for check in checks if frame[check.column].notna().any()]


def _met_by_all(frame: pd.DataFrame, checks: Collection[_Check]) -> dict[_Check, "ExpectationConfiguration"]:
    """Those checks that no value of the frame fails, as they were validated."""
    expectations = {check: check.expectation() for check in sorted(checks, key=str)}
    results = _validate("profile", frame, list(expectations.values()), {"result_format": "BOOLEAN_ONLY"})
    met = [result.expectation_config for result in results if result.success]
    by_content = {_content(configuration): configuration for configuration in met if configuration is not None}
    contents = {check: _content(expectation.configuration) for check, expectation in expectations.items()}
    return {check: by_content[content] for check, content in contents.items() if content in by_content}


def _content(configuration: "ExpectationConfiguration") -> tuple[Any, ...]:
    """What tells the expectations of one profile apart: Great Expectations returns their results in its own order."""
    arguments = configuration.kwargs
    return configuration.severity, arguments["column"], arguments.get("min_value"), arguments.get("max_value")


def _judge_profile(
    frame: pd.DataFrame, checks: Sequence[_Check], met: Mapping[_Check, "ExpectationConfiguration"]
) -> list[Finding]:
    unmet = [check.expectation() for check in checks if check not in met]
    result_format = {
        "result_format": "SUMMARY",
        "partial_unexpected_count": _EXAMPLES,
        "unexpected_index_column_names": ["subject"],
    }
    results = _validate("profile", frame, unmet, result_format) if unmet else []
    findings = [_finding(result) for result in results]
    return _sorted([*findings, *(_as_finding(met[check], True, []) for check in checks if check in met)])


def _judge_sample(sample: pd.DataFrame, contract: DayContract) -> list[Finding]:
    if not len(sample):
        return []
    result_format = {"result_format": "BASIC", "partial_unexpected_count": _EXAMPLES}
    results = _validate("sample", sample, _sample_expectations(contract), result_format)
    return _sorted([_finding(result) for result in results])


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (finding.expectation, finding.column, finding.threshold))


def _sample_expectations(contract: DayContract) -> list["Expectation"]:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    fails = FailureSeverity.CRITICAL
    identity = list(contract.identity)
    return [
        gxe.ExpectColumnValuesToBeUnique(column=identity[0], severity=fails)
        if len(identity) == 1
        else gxe.ExpectCompoundColumnsToBeUnique(column_list=identity, ignore_row_if="never", severity=fails),
        *(
            gxe.ExpectColumnValuesToBeInSet(column=name, value_set=list(values), severity=fails)
            for name, values in contract.value_sets.items()
        ),
        gxe.ExpectColumnMinToBeBetween(column=contract.instant, min_value=contract.earliest, severity=fails),
        gxe.ExpectColumnMaxToBeBetween(column=contract.instant, max_value=contract.latest, severity=fails),
    ]


def _validate(
    name: str, frame: pd.DataFrame, expectations: list["Expectation"], result_format: dict[str, Any]
) -> list["ExpectationValidationResult"]:
    from great_expectations.core.expectation_suite import ExpectationSuite

    batch = _batch_definition(name).get_batch({"dataframe": frame})
    return batch.validate(ExpectationSuite(name=name, expectations=expectations), result_format=result_format).results


@cache
def _batch_definition(name: str) -> "BatchDefinition":
    return _data_source().add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)


@cache
def _data_source() -> Any:
    """One context for the process, since building it takes longer than using it. It writes no file."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context.data_sources.add_pandas("day")


def _finding(result: "ExpectationValidationResult") -> Finding:
    if result.expectation_config is None or not result.result:
        raise RuntimeError(f"{result.expectation_config} could not be evaluated: {result.exception_info}")
    return _as_finding(result.expectation_config, bool(result.success), _observed(result.result))


def _as_finding(configuration: "ExpectationConfiguration", success: bool, observed: Any) -> Finding:
    arguments = configuration.kwargs
    return Finding(
        expectation=configuration.type,
        column=arguments["column"] if "column" in arguments else ", ".join(arguments["column_list"]),
        success=success,
        severity="critical" if configuration.severity.value == "critical" else "warning",
        observed=observed,
        threshold=_threshold(arguments),
    )


def _observed(result: Mapping[str, Any]) -> Any:
    """The figure looked at; else the values that were not expected, by subject where there is one."""
    if "observed_value" in result:
        return str(result["observed_value"])
    if by_subject := result.get("partial_unexpected_index_list"):
        return {
            row["subject"]: round(float(value), 4)
            for row in by_subject
            for name, value in row.items()
            if name != "subject"
        }
    return [str(value) for value in result["partial_unexpected_list"]]


def _threshold(arguments: Mapping[str, Any]) -> str:
    if "value_set" in arguments:
        return f"one of {len(arguments['value_set'])} known values"
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None or high is not None:
        return f"at most {high}" if low is None else f"at least {low}"
    return "no value twice"


def _printed(observed: Any) -> str:
    if isinstance(observed, Mapping):
        return ", ".join(
            f"{value:g}" if subject == "day" else f"{value:g} for {subject}" for subject, value in observed.items()
        )
    return ", ".join(observed) if isinstance(observed, list) else str(observed)
