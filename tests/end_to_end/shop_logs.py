"""Rows of the small shop's logs, and how they are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True)
class Exposure:
    """A unit saw a variant."""

    unit: str
    experiment: str
    variant: str
    at: datetime
    country: str | None
    device: str | None


@dataclass(frozen=True)
class Event:
    """A unit did something; `quantised` is its measure in units of the last decimal."""

    id: str
    unit: str
    name: str
    at: datetime
    quantised: int | None
    channel: str | None


Row = Exposure | Event
Logs = dict[tuple[str, date], Sequence[Sequence[Row]]]
"""By source and log date: the files in order, each with its rows in order. No rows: the day is missing."""

DECIMALS = {"orders": 2, "visits": 3}
HEADERS = {
    "web_exposures": ["unit", "experiment", "variant", "at", "country", "device"],
    "app_exposures": ["unit", "experiment", "variant", "at", "country"],
    "orders": ["id", "unit", "name", "at", "amount", "channel"],
    "visits": ["id", "unit", "name", "at", "amount", "channel"],
}
MEASURED = {"purchase": "orders", "visit": "visits"}


def cells(row: Row) -> list[str | None]:
    """The row as it stands in its CSV file; `at` is UTC without a zone, to the microsecond."""
    at = row.at.isoformat(sep=" ", timespec="microseconds")
    if isinstance(row, Exposure):
        attributes = [row.country, row.device] if row.experiment == "checkout" else [row.country]
        return [row.unit, row.experiment, row.variant, at, *attributes]
    amount = None if row.quantised is None else str(Decimal(row.quantised).scaleb(-DECIMALS[MEASURED[row.name]]))
    return [row.id, row.unit, row.name, at, amount, row.channel]
