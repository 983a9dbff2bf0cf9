"""Where the logs of a source come from: a day of any kind of source becomes files that the contract reads.

Local files are read where they lie. Of everything else a day is copied once into the session's scratch folder:
objects whole and under the version that was listed, rows of a table as Parquet of the needed columns alone.
"""

from orchestration.ingest.origins.local_files import LocalFiles
from orchestration.ingest.origins.origin import DayLogs, Origin, OriginContext
from orchestration.ingest.origins.stored_objects import StoredObjects

__all__ = ["DayLogs", "Origin", "OriginContext", "open_origin"]


def open_origin(context: OriginContext) -> Origin:
    """The origin of a source."""
    source = context.source
    if source.format == "postgres":
        from orchestration.ingest.origins.postgres_table import PostgresTable

        return PostgresTable(context)
    if source.format in ("iceberg", "delta"):
        from orchestration.ingest.origins.lake_table import LakeTable

        return LakeTable(context)
    return StoredObjects(context) if source.path.startswith("s3://") else LocalFiles(context)
