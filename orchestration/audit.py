"""Audits a day before it is committed: Great Expectations over its profile and a sample of its rows.

Every row was judged already, in SQL. The audit asks what no single row can show (is the day like other days?)
and reads back what was written, as an independent check of that SQL.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.expectations.metadata_types import FailureSeverity

ROWS_JUDGED = 20  # below it a share says little: the day is warned about, not kept out
QUARANTINE_SHARE_FAILS = 0.5
QUARANTINE_SHARE_WARNS = 0.05
DUPLICATE_SHARE_WARNS = 0.2
VOLUME_RATIO_WARNS = (0.5, 2.0)
SLICE_RATIO_WARNS = (0.25, 4.0)
SLICE_ROWS_COMPARED = 100  # a rarer slice varies that much by chance
NULL_SHARE_RISE_WARNS = 0.2

_EXAMPLES = 10
_PROFILE_COLUMNS = [
    "subject",
    "rows",
    "volume_ratio",
    "duplicate_share",
    "quarantine_share",
    "unknown_share",
    "required_null_share",
    "null_share_rise",
    "slice_ratio",
]


@dataclass(frozen=True)
class DayContract:
    """What every accepted row of a day keeps.

    Columns never missing, columns that together occur once, value sets by column, and the range of instants (UTC).
    `has_steady_volume` says that days can be compared: exposures come and go with experiments, events do not.
    """

    required: tuple[str, ...]
    identity: tuple[str, ...]
    value_sets: Mapping[str, Sequence[str]]
    instant: str
    earliest: datetime
    latest: datetime
    has_steady_volume: bool


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


def audit_day(profile: Mapping[str, Any], sample: pd.DataFrame, contract: DayContract) -> list[Finding]:
    """Judge a day by its profile (as `ingest.profile` makes it) and a sample of its accepted rows."""
    frame = _profile_frame(profile, contract)
    findings = _validate("profile", frame, _profile_expectations(profile, frame))
    if len(sample):
        findings += _validate("sample", sample, _sample_expectations(contract))
    return findings


def describe_failures(findings: Sequence[Finding]) -> str:
    """The failed critical findings as one line, empty when there is none."""
    return "; ".join(
        f"{finding.column} is {_printed(finding.observed)}, expected {finding.threshold}"
        for finding in findings
        if finding.severity == "critical" and not finding.success
    )


def _profile_frame(profile: Mapping[str, Any], contract: DayContract) -> pd.DataFrame:
    """A row for the day, for each column and for each slice; what does not apply is NaN."""
    day = {
        "subject": "day",
        "rows": profile["rows"],
        "volume_ratio": _ratio(profile["rows"], profile["usual_rows"]) if contract.has_steady_volume else math.nan,
        "duplicate_share": profile["duplicate_share"],
        "quarantine_share": profile["quarantine_share"],
        "unknown_share": profile["unknown_share"],
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
        if (part["usual_rows"] or 0) >= SLICE_ROWS_COMPARED and (part["rows"] or contract.has_steady_volume)
    ]
    return pd.DataFrame([day, *columns, *slices], columns=_PROFILE_COLUMNS)


def _ratio(rows: int, usual_rows: float | None) -> float:
    return rows / usual_rows if usual_rows else math.nan


def _rise(share: float, usual_share: float | None) -> float:
    return math.nan if usual_share is None else share - usual_share


def _profile_expectations(profile: Mapping[str, Any], frame: pd.DataFrame) -> list["Expectation"]:
    # Great Expectations takes seconds to import, and is only needed where a day is ingested.
    from great_expectations.expectations import ExpectColumnValuesToBeBetween
    from great_expectations.expectations.metadata_types import FailureSeverity

    def between(column: str, low: float | None, high: float | None, severity: "FailureSeverity") -> "Expectation":
        return ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high, severity=severity)

    warns = FailureSeverity.WARNING
    fails = FailureSeverity.CRITICAL if profile["rows_read"] >= ROWS_JUDGED else warns
    expectations = {
        "rows": [between("rows", 1, None, fails)] if profile["rows_read"] and profile["unknown_share"] < 1 else [],
        "quarantine_share": [
            between("quarantine_share", None, QUARANTINE_SHARE_FAILS, fails),
            between("quarantine_share", None, QUARANTINE_SHARE_WARNS, warns),
        ],
        "unknown_share": [between("unknown_share", None, QUARANTINE_SHARE_WARNS, warns)],
        "duplicate_share": [between("duplicate_share", None, DUPLICATE_SHARE_WARNS, warns)],
        "required_null_share": [between("required_null_share", None, 0, FailureSeverity.CRITICAL)],
        "volume_ratio": [between("volume_ratio", *VOLUME_RATIO_WARNS, warns)],
        "slice_ratio": [between("slice_ratio", *SLICE_RATIO_WARNS, warns)],
        "null_share_rise": [between("null_share_rise", None, NULL_SHARE_RISE_WARNS, warns)],
    }
    # Without recent days there is nothing to compare with: such an expectation would pass and say nothing.
    return [one for column, some in expectations.items() if frame[column].notna().any() for one in some]


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


def _validate(name: str, frame: pd.DataFrame, expectations: list["Expectation"]) -> list[Finding]:
    from great_expectations.core.expectation_suite import ExpectationSuite

    batch = _batch_definition(name).get_batch({"dataframe": frame})
    suite = ExpectationSuite(name=name, expectations=expectations)
    result_format: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": _EXAMPLES}
    if name == "profile":
        result_format["unexpected_index_column_names"] = ["subject"]
    findings = [_finding(result) for result in batch.validate(suite, result_format=result_format).results]
    return sorted(findings, key=lambda finding: (finding.expectation, finding.column, finding.threshold))


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
    configuration = result.expectation_config
    if configuration is None or not result.result:
        raise RuntimeError(f"{configuration} could not be evaluated: {result.exception_info}")
    arguments = configuration.kwargs
    return Finding(
        expectation=configuration.type,
        column=arguments["column"] if "column" in arguments else ", ".join(arguments["column_list"]),
        success=bool(result.success),
        severity="critical" if configuration.severity.value == "critical" else "warning",
        observed=_observed(result.result),
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
