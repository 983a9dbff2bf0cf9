"""A small shop whose log files a test writes, and what ingest made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from configs.schema import EventSource, ExposureSource, Project
from configs.suite_schema import Suite
from orchestration.audit import DaySuite
from orchestration.ingest import IngestSession, SourceIngest, suite_columns
from orchestration.lake import DayManifest, Lake

LOG_DATE = date(2026, 10, 5)
HEADER = "event_id,user_id,name,ts,amount,channel\n"
EXPOSURE_HEADER = "user_id,experiment,variant,ts,country\n"
KNOWN_VARIANTS = {"checkout": ("control", "fast"), "banner": ("off", "on")}


def event_source(file_format: str = "csv", **changes: Any) -> EventSource:
    values = {
        "id": "shop_events",
        "path": "events/{date}/*",
        "format": file_format,
        "columns": {"event_id": "event_id", "unit_id": "user_id", "event_name": "name", "occurred_at": "ts"},
        "measures": {"amount": {"column": "amount", "decimals": 2}},
        "properties": ["channel"],
    }
    return EventSource(**{**values, **changes})


def exposure_source(file_format: str = "csv", **changes: Any) -> ExposureSource:
    values = {
        "id": "web_exposures",
        "path": "exposures/{date}/*",
        "format": file_format,
        "columns": {
            "unit_id": "user_id",
            "experiment_id": "experiment",
            "variant_id": "variant",
            "exposed_at": "ts",
        },
        "attributes": ["country"],
    }
    return ExposureSource(**{**values, **changes})


@dataclass
class Shop:
    """A data folder, a lake, and the project's settings."""

    root: Path
    timezone: str = "UTC"
    late_arrival_days: int = 3
    known_variants: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: KNOWN_VARIANTS)
    suite: Suite = field(default_factory=Suite)
    suite_problem: str = ""

    @property
    def lake(self) -> Lake:
        return Lake(self.root / "lake")

    def path(self, name: str, log_date: date = LOG_DATE, kind: str = "events") -> Path:
        path = self.root / "data" / kind / log_date.isoformat() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, content: str | bytes, log_date: date = LOG_DATE, kind: str = "events") -> Path:
        path = self.path(name, log_date, kind)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def ingest(self, source: EventSource | ExposureSource, log_date: date = LOG_DATE) -> DayManifest:
        return self.ingest_days(source, [log_date])[0]

    def ingest_days(
        self,
        source: EventSource | ExposureSource,
        days: Sequence[date],
        *,
        also_present: Sequence[date] = (),
        request: str = "",
        ends: Mapping[str, date] | None = None,
    ) -> list[DayManifest]:
        """Ingest these log dates in one session, and days `also_present` as far as those reach them."""
        (self.root / "data").mkdir(parents=True, exist_ok=True)
        project = Project(
            name="shop",
            timezone=self.timezone,
            late_arrival_days=self.late_arrival_days,
            history_start=date(2026, 9, 1),
        )
        with IngestSession(
            self.lake,
            project=project,
            data_root=self.root / "data",
            known_variants=self.known_variants,
            memory_limit="1GB",
            request=request,
            suites={source.id: DaySuite(self.suite, suite_columns(source), self.suite_problem)},
            ends=ends,
        ) as session:
            ingest = SourceIngest(session, source, requested=days)
            for day in sorted({*days, *also_present}):
                ingest.consider(day)
            ingest.settle()
        return ingest.manifests

    def rows(self, manifest: DayManifest, columns: str = "*") -> list[tuple[Any, ...]]:
        """Accepted rows, sorted."""
        return self._read(manifest, manifest.rows_file, columns)

    def quarantine(self, manifest: DayManifest, columns: str = "reason, row_number") -> list[tuple[Any, ...]]:
        """Rejected rows, sorted."""
        return self._read(manifest, manifest.quarantine_file, columns)

    def _read(self, manifest: DayManifest, name: str | None, columns: str) -> list[tuple[Any, ...]]:
        if name is None:
            return []
        path = self.lake.folder(manifest.source_id, manifest.log_date) / name
        table = f"read_parquet('{path}', hive_partitioning = false)"
        return duckdb.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()


def event(event_id: str, ts: str = "2026-10-05T10:00:00Z", amount: str = "1", channel: str = "web") -> str:
    return f"{event_id},u1,purchase,{ts},{amount},{channel}\n"


def one_event_parquet(shop: Shop, name: str = "a.parquet", **columns: pa.Array) -> None:
    table = {
        "event_id": pa.array(["e1"]),
        "user_id": pa.array(["u1"]),
        "name": pa.array(["purchase"]),
        "ts": pa.array([datetime(2026, 10, 5, 10)], pa.timestamp("us")),
        "amount": pa.array([1.5]),
        "channel": pa.array(["web"]),
    }
    pq.write_table(pa.table({**table, **columns}), shop.path(name))
