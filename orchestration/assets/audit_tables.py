"""What the audits of a run's days found, as tables for Dagster's UI."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from orchestration.audit import describe_observed
from orchestration.lake import DayManifest

_MOST_ROWS = 100
_Key = tuple[str, str, str, str]


def audit_tables(manifests: Sequence[DayManifest]) -> dict[str, dg.MetadataValue]:
    """`expectations`: how many days meet each; `rows_not_expected`: some of the sampled rows that do not.

    A table without rows is left out.
    """
    tables = {"expectations": _expectations(manifests), "rows_not_expected": _rows(manifests)}
    return {
        name: dg.MetadataValue.table([dg.TableRecord(row) for row in rows[-_MOST_ROWS:]])
        for name, rows in tables.items()
        if rows
    }


def _expectations(manifests: Iterable[DayManifest]) -> list[dict[str, Any]]:
    """Those that some day does not meet stand last, where the table is longest kept."""
    days: dict[_Key, list[Mapping[str, Any]]] = {}
    for manifest in manifests:
        for finding in manifest.audit:
            key = (finding["column"], finding["expectation"], finding["threshold"], finding["severity"])
            days.setdefault(key, []).append({"log_date": manifest.log_date.isoformat(), **finding})
    rows = []
    for (column, expectation, threshold, severity), findings in days.items():
        failed = [finding for finding in findings if not finding["success"]]
        rows.append(
            {
                "column": column,
                "expectation": expectation,
                "expected": threshold,
                "severity": "blocking" if severity == "critical" else severity,
                "days": len(findings),
                "days_not_met": len(failed),
                "last_not_met": failed[-1]["log_date"] if failed else "",
                "observed": describe_observed(failed[-1]) if failed else "",
            }
        )
    return sorted(rows, key=lambda row: (row["days_not_met"], row["column"]))


def _rows(manifests: Iterable[DayManifest]) -> list[dict[str, Any]]:
    return [
        {
            "log_date": manifest.log_date.isoformat(),
            "column": finding["column"],
            "expectation": finding["expectation"],
            "row": json.dumps(row),
        }
        for manifest in manifests
        for finding in manifest.audit
        for row in finding.get("rows", ())
    ]
