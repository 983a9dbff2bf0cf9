"""From a day's log files to a partition of the lake.

A bad row is quarantined with a reason, a bad file fails its source's day, and only a fault of this machine or
of the set-up raises. The SQL lies in `sql/`, a step a file.
"""

from orchestration.ingest.contract import source_contract, source_fields
from orchestration.ingest.errors import IngestError
from orchestration.ingest.partition import ingest_partition

__all__ = ["IngestError", "ingest_partition", "source_contract", "source_fields"]
