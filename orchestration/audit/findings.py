"""What the audit found of a day: as the manifest keeps it, and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

SUITE_IS_VALID = "suite_is_valid"


@dataclass(frozen=True)
class Finding:
    """What one expectation found. A failed `critical` one keeps the day out of the lake.

    `rows` are some of the rows that did not meet it: the value, and what finds the row again.
    """

    expectation: str
    column: str
    success: bool
    severity: Literal["critical", "warning"]
    observed: Any
    threshold: str
    rows: Sequence[Mapping[str, Any]] = ()

    def as_dict(self) -> dict[str, Any]:
        """The finding as the manifest holds it."""
        return {name: value for name, value in asdict(self).items() if name != "rows" or value}


def describe_failures(findings: Sequence[Finding]) -> str:
    """The failed critical findings as one line, empty when there is none."""
    return "; ".join(
        _sentence(finding.column, finding.observed, finding.threshold)
        for finding in findings
        if finding.severity == "critical" and not finding.success
    )


def describe_warnings(findings: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What failed, as (slice that it is about, sentence) pairs; the slice is empty where all of the day is meant.

    `findings` are as a manifest holds them. Rows of unknown experiments are left out: they are nobody's fault; and so
    is a suite that cannot be read, which says nothing of the log.
    """
    sentences = []
    for finding in findings:
        if finding["success"] or finding["column"] == "unknown_share" or finding["expectation"] == SUITE_IS_VALID:
            continue
        column, observed = finding["column"], finding["observed"]
        parts = observed.items() if column.startswith("slice_") else [("", observed)]
        sentences += [
            (subject, _sentence(column, {subject: value} if subject else value, finding["threshold"]))
            for subject, value in parts
        ]
    return sentences


def describe_observed(finding: Mapping[str, Any]) -> str:
    """What was observed, in words."""
    return _printed(finding["observed"], finding["column"])


def _sentence(column: str, observed: Any, threshold: str) -> str:
    return f"{column} is {_printed(observed, column)}, expected {threshold}"


def _printed(observed: Any, column: str) -> str:
    if isinstance(observed, Mapping):
        return ", ".join(
            f"{value:g}" if subject == "day" or column.endswith(f" of {subject}") else f"{value:g} for {subject}"
            for subject, value in observed.items()
        )
    return ", ".join(observed) if isinstance(observed, list) else str(observed)
