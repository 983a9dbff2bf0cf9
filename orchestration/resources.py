"""Resources: the writer lock, which every step that touches the state folder holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from orchestration.lock import writer_lock


class WriterLock(dg.ConfigurableResource):
    """Held from the first step of a run to its last: two runs never write at once."""

    path: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["WriterLock"]:
        """Take the lock for as long as Dagster keeps the resource."""
        with writer_lock(Path(self.path)):
            yield self
