"""From a day's log files to a partition of the lake.

A bad row is quarantined with a reason, a bad file fails its source's day, and only a fault of this machine or
of the set-up raises. The SQL lies in `sql/`, a step a file.
"""

from orchestration.ingest.contract import source_contract, source_fields
from orchestration.ingest.days import SourceIngest
from orchestration.ingest.errors import IngestError
from orchestration.ingest.fields import suite_columns
from orchestration.ingest.session import IngestSession

__all__ = ["IngestError", "IngestSession", "SourceIngest", "source_contract", "source_fields", "suite_columns"]
