"""Read `expectations/<source>.yaml`, which any source may leave out: then only the built-in expectations hold."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from configs.problems import ConfigError, Problem, did_you_mean
from configs.schema import EventSource, ExposureSource, Sources
from configs.suite_schema import COLUMN_FIGURES, MEASURE_FIGURES, DayExpectation, Entry, RowExpectation, Suite
from configs.supported import Finding
from configs.validation import validate
from configs.yaml_document import Document, read_document

FOLDER = "expectations"
LogSource = ExposureSource | EventSource


def suite_file(source_id: str) -> str:
    """A source's file, relative to the configuration folder."""
    return f"{FOLDER}/{source_id}.yaml"


def load_suites(root: Path, sources: Sources) -> tuple[dict[str, Suite], dict[str, list[Problem]]]:
    """The suites of the configuration in `root`, and the problems of those that are broken, both by source."""
    suites, broken = {}, {}
    for source in log_sources(sources):
        if (root / suite_file(source.id)).exists():
            suite, problems = _read(root, source)
            if problems or suite is None:
                broken[source.id] = problems
            else:
                suites[source.id] = suite
    return suites, broken


def load_valid_suites(root: Path, sources: Sources) -> dict[str, Suite]:
    """The suites by source; raises ConfigError with every error of every file."""
    if problems := suite_problems(root, sources):
        raise ConfigError(problems)
    return load_suites(root, sources)[0]


def suite_problems(root: Path, sources: Sources) -> list[Problem]:
    """What is wrong with the files of `expectations/`, and which of them no source reads."""
    problems = [problem for some in load_suites(root, sources)[1].values() for problem in some]
    known = [source.id for source in log_sources(sources)]
    for path in sorted((root / FOLDER).rglob("*")):
        if path.suffix not in (".yaml", ".yml") or path.name.startswith("."):
            continue
        file = path.relative_to(root).as_posix()
        if path.suffix == ".yml" or path.parent != root / FOLDER:
            problems.append(Problem(file, 1, f"isn't read: only {FOLDER}/<source>.yaml is; move or rename it"))
        elif path.stem not in known:
            hint = did_you_mean(path.stem, known, "sources")
            problems.append(Problem(file, 1, f"isn't read: there is no log source {path.stem!r}{hint}"))
    return problems


def log_sources(sources: Sources) -> tuple[LogSource, ...]:
    """The sources that may have a suite."""
    return (*sources.exposures, *sources.events)


def text_columns(source: LogSource) -> list[str]:
    """Columns with text, by the names that `sources.yaml` uses."""
    required = [name for name in source.columns.model_dump(exclude_none=True) if not name.endswith("_at")]
    return [*required, *(source.attributes if isinstance(source, ExposureSource) else source.properties)]


def measures(source: LogSource) -> list[str]:
    """Columns with numbers."""
    return list(source.measures) if isinstance(source, EventSource) else []


def _read(root: Path, source: LogSource) -> tuple[Suite | None, list[Problem]]:
    document = read_document(root, suite_file(source.id))
    if document.data is None:
        return None, document.problems
    suite, problems = validate(Suite, document)
    if suite is not None:
        problems += _located(document, suite, source)
    return suite, [*document.problems, *problems]


def _located(document: Document, suite: Suite, source: LogSource) -> list[Problem]:
    found: list[Finding] = []
    for index, day in enumerate(suite.day):
        found += ((("day", index, *at), message) for at, message in _check_day(day, source))
    for index, row in enumerate(suite.rows):
        found += ((("rows", index, *at), message) for at, message in _check_row(row, source))
    sections: tuple[tuple[str, Sequence[Entry]], ...] = (("day", suite.day), ("rows", suite.rows))
    for section, entries in sections:
        seen: dict[tuple[str, str], int] = {}
        for index, entry in enumerate(entries):
            key = (entry.label, entry.severity)
            if key in seen:
                line = document.line((section, seen[key]))
                found.append(((section, index), f"{entry.label} is there twice; first in line {line}: join the two"))
            seen.setdefault(key, index)
    return [document.problem(location, message) for location, message in found]


def _check_day(entry: DayExpectation, source: LogSource) -> Iterator[Finding]:
    if entry.event is not None and isinstance(source, ExposureSource):
        yield ("event",), "an exposure log has no events; remove `event`"
    if entry.of is None:
        return
    if entry.figure in COLUMN_FIGURES:
        yield from _check_column(entry.of, [*text_columns(source), *measures(source)], source, "of", "column")
    elif entry.figure in MEASURE_FIGURES:
        yield from _check_column(entry.of, measures(source), source, "of", "measure")


def _check_row(entry: RowExpectation, source: LogSource) -> Iterator[Finding]:
    if entry.event is not None and isinstance(source, ExposureSource):
        yield ("event",), "an exposure log has no events; remove `event`"
    if entry.expect == "column_values_to_be_between":
        yield from _check_column(entry.column, measures(source), source, "column", "measure")
    elif entry.expect == "column_values_to_not_be_null":
        yield from _check_column(entry.column, [*text_columns(source), *measures(source)], source, "column", "column")
    else:
        yield from _check_column(entry.column, text_columns(source), source, "column", "text column")
    if entry.regex is not None:
        try:
            re.compile(entry.regex)
        except re.error as error:
            yield ("regex",), f"{entry.regex!r} isn't a regular expression: {error}"


def _check_column(name: str, known: list[str], source: LogSource, key: str, noun: str) -> Iterator[Finding]:
    if name not in known:
        yield (key,), f"source {source.id!r} has no {noun} {name!r}{did_you_mean(name, known, f'{noun}s')}"
    elif name in measures(source) and name in text_columns(source):
        yield (key,), f"{name!r} is a measure and a property of {source.id!r}: call one of them otherwise"
