"""Local pages of each source's expectations and what recent days met of them: plain HTML, without scripts or links out.

Great Expectations' own data docs are built around styles and scripts of seven other sites, and are empty without. What
is shown here is what the audits noted in the lake when the days were ingested.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from configs.suite_load import suite_file
from configs.suite_schema import Entry, Suite
from orchestration.audit import describe_observed
from orchestration.audit.built_in import effective
from orchestration.ingest.fields import LogSource
from orchestration.lake import DayManifest, Lake
from orchestration.suites.suite_file import entry_map

_KEYS_IN_COLUMNS = ("figure", "expect", "column", "of", "event", "severity", "observed", "note")


@dataclass(frozen=True)
class AskedRow:
    """An expectation in the table of days: what was found on each, None where it was not asked."""

    column: str
    name: str
    expected: str
    severity: str
    days: tuple[Mapping[str, Any] | None, ...]

    @property
    def n_not_met(self) -> int:
        """Days on which it was not met."""
        return sum(day is not None and not day["success"] for day in self.days)


@dataclass(frozen=True)
class SourcePage:
    """What the page of a source shows."""

    source_id: str
    file: str
    has_file: bool
    entries: tuple[Mapping[str, str], ...]
    days: tuple[DayManifest, ...]
    asked: tuple[AskedRow, ...]

    @property
    def warned_days(self) -> int:
        """Days on which something was not met."""
        return sum(any(not finding["success"] for finding in day.audit) for day in self.days)

    @property
    def kept_out_days(self) -> int:
        """Days that are missing or failed."""
        return sum(day.status in ("missing", "failed") for day in self.days)

    @property
    def examples(self) -> list[Mapping[str, Any]]:
        """Sampled rows that did not meet an expectation, the newest first."""
        return [
            {"log_date": day.log_date, "column": finding["column"], "name": finding["expectation"], "row": row}
            for day in reversed(self.days)
            for finding in day.audit
            for row in finding.get("rows", ())
        ]


def write_pages(
    folder: Path, lake: Lake, sources: Iterable[LogSource], suites: Mapping[str, Suite], n_days: int
) -> Path:
    """Write a page for each source, and an index of them, which is returned. Raises LakeError."""
    pages = [source_page(lake, source, suites.get(source.id), n_days) for source in sources]
    folder.mkdir(parents=True, exist_ok=True)
    for page in pages:
        _write(folder / f"{page.source_id}.html", "source.html", page=page)
    return _write(folder / "index.html", "index.html", pages=pages)


def source_page(lake: Lake, source: LogSource, suite: Suite | None, n_days: int) -> SourcePage:
    """The source's expectations as they are now, and the last days' findings as they were then."""
    days = lake.manifests(source.id, date.min, date.max)[-n_days:]
    own = suite or Suite()
    usual_rows = days[-1].profile.get("usual_rows") if days else None
    entries: list[Entry] = [
        *effective(own, usual_rows),
        *(entry for entry in own.day if entry.severity == "off"),
        *own.rows,
    ]
    return SourcePage(
        source_id=source.id,
        file=suite_file(source.id),
        has_file=suite is not None,
        entries=tuple(_entry(entry) for entry in entries),
        days=tuple(days),
        asked=tuple(_asked(days)),
    )


def _entry(entry: Entry) -> dict[str, str]:
    given = {key: value for key, value in entry_map(entry).items() if key not in _KEYS_IN_COLUMNS}
    return {
        "label": entry.label,
        "severity": entry.severity,
        "expected": ", ".join(f"{key} {_text(value)}" for key, value in given.items()),
        "observed": entry.observed,
        "note": entry.note,
    }


def _asked(days: Sequence[DayManifest]) -> list[AskedRow]:
    """A row for each thing that was asked on any of the days, those that were not met most often first."""
    found: dict[tuple[str, str, str, str], dict[date, Mapping[str, Any]]] = {}
    for day in days:
        for finding in day.audit:
            key = (finding["column"], finding["expectation"], finding["threshold"], finding["severity"])
            shown = {"success": finding["success"], "text": describe_observed(finding)}
            found.setdefault(key, {})[day.log_date] = shown
    rows = [
        AskedRow(
            column=column,
            name=name,
            expected=threshold,
            severity="blocking" if severity == "critical" else severity,
            days=tuple(by_day.get(day.log_date) for day in days),
        )
        for (column, name, threshold, severity), by_day in found.items()
    ]
    return sorted(rows, key=lambda row: (-row.n_not_met, row.column))


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _write(path: Path, template: str, **values: Any) -> Path:
    environment = Environment(
        loader=PackageLoader("orchestration.suites", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    path.write_text(environment.get_template(template).render(**values), encoding="utf-8")
    return path
