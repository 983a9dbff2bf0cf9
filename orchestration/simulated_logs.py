"""Write a simulation to the places where its configuration looks for logs."""

import re
from collections.abc import Callable
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from analysis.simulation.simulator import ScenarioError, Simulation
from configs.schema import Format, Source, Sources
from configs.source_schema import TABLE_FORMATS

TRUTH_FILE, FAULTS_FILE = "truth.csv", "faults.csv"
_STEM = "simulated"


def write_logs(
    sources: Sources,
    simulation: Simulation,
    data_root: Path,
    on_day: Callable[[date], None] = lambda _: None,
) -> None:
    """Write every log, `truth.csv` and `faults.csv` below `data_root`, replacing files of the same name.

    `on_day` is called after each log date. Raises ScenarioError for a source whose path isn't below the data
    root or has no `{date}`, before anything is written.
    """
    logs = (*sources.exposures, *sources.events)
    for source in (*logs, *sources.units):
        if source.format in TABLE_FORMATS:
            raise ScenarioError(f"source {source.id}: logs are simulated as files, not as {source.format} tables")
        log_file(source, date.min)
    for source in logs:
        if "{date}" not in source.path:
            raise ScenarioError(
                f"source {source.id}: its path {source.path!r} has no {{date}}: one file a day is written"
            )
    for unit_source in sources.units:
        rows = simulation.units()[unit_source.id]
        _write(rows, unit_source.format, data_root / log_file(unit_source, simulation.world.calendar.start))
    faults = []
    for day in simulation.days():
        for source in logs:
            _write(day.logs[source.id], source.format, data_root / log_file(source, day.log_date))
        faults.append(day.faults)
        on_day(day.log_date)
    _write(pd.concat(faults, ignore_index=True), "csv", data_root / FAULTS_FILE)
    _write(simulation.truth, "csv", data_root / TRUTH_FILE)


def log_file(source: Source, log_date: date) -> PurePosixPath:
    """A file, relative to the data root, that the source's path matches on a log date."""
    pattern = source.path.replace("{date}", log_date.isoformat())
    if "://" in pattern or PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
        raise ScenarioError(f"source {source.id}: logs are simulated below the data root only, not to {source.path!r}")
    parts = [part for part in PurePosixPath(pattern).parts if part != "**"] or ["*"]
    file = PurePosixPath(*(_without_wildcards(part) for part in parts))
    if pattern.endswith("*") and not file.suffix:
        file = file.with_suffix(f".{source.format}")
    if not fnmatchcase(file.name, PurePosixPath(pattern).name):
        raise ScenarioError(f"source {source.id}: found no file name that its path {source.path!r} matches; use '*'")
    return file


def _without_wildcards(part: str) -> str:
    """A name that a glob matches: `*` stands for a word, `?` and a set of characters for one of them."""
    part = re.sub(r"(?<=.)\*+$", "", part) if "." in part else part
    part = re.sub(r"\[([^!\]])[^\]]*\]", r"\1", part).replace("?", "0")
    return re.sub(r"\*+", _STEM, part)


def _write(frame: pd.DataFrame, format_: Format, path: Path) -> None:
    """Write a whole file or none: a reader never sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    compression = {"method": "gzip", "mtime": 0} if path.suffix == ".gz" else None
    if format_ == "parquet":
        pa.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), unfinished)
    elif format_ == "csv":
        frame.to_csv(unfinished, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ", compression=compression)
    else:
        frame.to_json(
            unfinished,
            orient="records",
            lines=True,
            date_format="iso",
            date_unit="us",
            double_precision=15,
            compression=compression,
        )
    unfinished.replace(path)
