"""What the days of one ingest run share: the lake, the configuration, and one DuckDB connection."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from datetime import date
from functools import cached_property
from pathlib import Path
from types import TracebackType

import duckdb

from configs.schema import Project
from orchestration.audit import DaySuite
from orchestration.ingest.fields import LogSource
from orchestration.ingest.origins import Origin, OriginContext, open_origin
from orchestration.ingest.templates import render
from orchestration.lake import Lake


class IngestSession:
    """A context in which days are ingested; leaving it frees its memory and removes its temporary files.

    `known_variants` maps each experiment to its variants, or to None where a broken configuration leaves them
    unknown: any is accepted. `ends` are their last days, as far as known. `memory_limit` is DuckDB's, beyond which it
    spills to the lake's disk. `request` is the token of what the run was asked for: days that have it are not read
    again; empty: all are. `suites` are what days are audited against, by source; without one the built-in
    expectations hold.
    """

    def __init__(
        self,
        lake: Lake,
        *,
        project: Project,
        data_root: Path,
        known_variants: Mapping[str, Collection[str] | None],
        memory_limit: str,
        request: str = "",
        suites: Mapping[str, DaySuite] | None = None,
        ends: Mapping[str, date] | None = None,
    ) -> None:
        self.lake = lake
        self.project = project
        self.data_root = data_root
        self.known_variants = known_variants
        self.ends = ends or {}
        self.request = request
        self.suites = suites or {}
        self._memory_limit = memory_limit
        self._resources = ExitStack()
        self._origins: dict[str, Origin] = {}

    def __enter__(self) -> "IngestSession":
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._resources.close()

    def origin(self, source: LogSource) -> Origin:
        """Where the source's logs lie; the same one for all days, so that a server that is down is asked once."""
        if source.id not in self._origins:
            self._origins[source.id] = open_origin(OriginContext(self, source))
        return self._origins[source.id]

    @cached_property
    def scratch(self) -> Path:
        """A folder for temporary files, on the lake's disk."""
        return self._resources.enter_context(self.lake.scratch())

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """An in-memory database, with the tables `known_experiments` and `known_variants`."""
        connection = self._resources.enter_context(
            duckdb.connect(config={"memory_limit": self._memory_limit, "temp_directory": str(self.scratch / "spill")})
        )
        connection.execute("SET TimeZone = 'UTC'")  # instants without zone are UTC
        # A text row's number is its place in the file, so rows must stay in order.
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(
            render(
                "create_known_variants",
                experiments=list(self.known_variants),
                judged=[id_ for id_, variants in self.known_variants.items() if variants is not None],
                pairs=[(id_, variant) for id_, variants in self.known_variants.items() for variant in variants or ()],
            )
        )
        return connection
