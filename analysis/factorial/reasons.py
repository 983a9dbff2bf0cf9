"""What a status of a factorial experiment says, in words: a row's `reason`."""

import numpy as np

from analysis.factorial.design import Design
from analysis.statistics.status import REASONS as OF_TWO_ARMS
from analysis.statistics.status import Floats, Status

REASONS: dict[Status, str] = OF_TWO_ARMS | {
    Status.NO_UNITS: "a cell has no units, and every effect needs all cells",
    Status.TOO_FEW_UNITS: "a cell has fewer than 2 units, and every effect needs its variance",
    Status.ZERO_VARIANCE: "the metric does not vary within cells",
}


def reason(design: Design, status: Status, n: Floats) -> str:
    """The reason for a row, with the cells (of `n` units) that are to blame where they lack units."""
    fewest = {Status.NO_UNITS: 1.0, Status.TOO_FEW_UNITS: 2.0}.get(status)
    if fewest is None:
        return REASONS[status]
    cells = [cell.variant_id for cell, units in zip(design.cells, np.asarray(n), strict=True) if not units >= fewest]
    return f"{REASONS[status]}: {', '.join(cells)}"
