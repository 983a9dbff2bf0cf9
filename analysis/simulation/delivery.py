"""What goes wrong between a unit and the log: rows that arrive late, too late, twice or broken."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.simulation.logs import FaultCount
from analysis.simulation.randomness import stream
from configs.schema import EventSource, ExposureSource
from configs.simulation_schema import RowFaults

UNKNOWN_VARIANT = "no_such_variant"
OUT_OF_RANGE = 1e15  # beyond the 1e14 quantised units that a measure may hold, in any number of decimals
_DAYS_BEYOND_LATE = 3
_FUTURE = np.timedelta64(3, "D")


@dataclass
class Delivery:
    """One source's way to its log; holds the rows that a later log date will bring."""

    source: EventSource | ExposureSource
    faults: RowFaults
    late_arrival_days: int
    seed: int
    _pending: dict[int, list[tuple[str, pd.DataFrame]]] = field(default_factory=lambda: defaultdict(list))

    def deliver(self, rows: pd.DataFrame, day: int) -> tuple[pd.DataFrame, list[FaultCount]]:
        """The log of a day: its own rows but for the late ones, then what was due; with the faults in it.

        Days must come in order. A row meets at most one fault, so the counts are what an ingest finds.
        """
        rng = stream(self.seed, "delivery", self.source.id, day)
        shares = [self.faults.late, self.faults.too_late, self.faults.duplicate, self.faults.malformed]
        fault = np.searchsorted(np.cumsum(shares), rng.random(len(rows)), side="right")
        allowed = self.late_arrival_days
        if allowed:
            self._postpone("late", rows[fault == 0], day + rng.integers(1, allowed + 1, (fault == 0).sum()))
        self._postpone(
            "too_late",
            rows[fault == 1],
            day + allowed + rng.integers(1, _DAYS_BEYOND_LATE + 1, (fault == 1).sum()),
        )
        self._postpone("duplicate", rows[fault == 2], day + rng.integers(0, allowed + 1, (fault == 2).sum()))
        for kind, broken in _break(self.source, rows[fault == 3], rng).items():
            self._pending[day].append((kind, broken))
        on_time = (fault == 2) | (fault == 4) | ((fault == 0) & (not allowed))
        due = self._pending.pop(day, [])
        log = pd.concat([rows[on_time], *(frame for _, frame in due)], ignore_index=True)
        counts = [FaultCount(self.source.id, kind, len(frame)) for kind, frame in due]
        return log, counts

    def _postpone(self, fault: str, rows: pd.DataFrame, log_days: np.ndarray) -> None:
        for log_day in np.unique(log_days):
            self._pending[int(log_day)].append((fault, rows[log_days == log_day]))


def _break(
    source: EventSource | ExposureSource, rows: pd.DataFrame, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Break every row in one of the ways that its source's format can express."""
    kinds = ["missing_unit_id", "future_timestamp"]
    if isinstance(source, ExposureSource):
        time_column, measures = source.columns.exposed_at, []
        kinds.append("unknown_variant")
    else:
        time_column = source.columns.occurred_at
        measures = [measure.column for measure in source.measures.values()]
        kinds += ["measure_out_of_range"] if measures else []
    chosen = rng.integers(0, len(kinds), len(rows))
    broken = {kind: rows[chosen == number].copy() for number, kind in enumerate(kinds)}
    nobody = broken["missing_unit_id"]
    nobody[source.columns.unit_id] = pd.array([None] * len(nobody), dtype="str")
    broken["future_timestamp"][time_column] += _FUTURE
    if isinstance(source, ExposureSource):
        broken["unknown_variant"][source.columns.variant_id] = UNKNOWN_VARIANT
    elif measures:
        broken["measure_out_of_range"][measures[0]] = OUT_OF_RANGE
    return broken
