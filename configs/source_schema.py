"""The model of `sources.yaml`: where logs lie, what their columns are called, and what they measure."""

from typing import Literal

from pydantic import Field, model_validator

from configs.entity import ColumnName, Entity, EnvironmentVariable, Identifier

FileFormat = Literal["parquet", "csv", "jsonl"]
Format = Literal[FileFormat, "postgres", "iceberg", "delta"]
TABLE_FORMATS: tuple[Format, ...] = ("postgres", "iceberg", "delta")


class Source(Entity):
    """What every log source has. `path`, or `table` and `connection`, and `log_date` go with the format."""

    id: Identifier
    format: Format
    path: str = Field("", description="Files, with {date} and globs; of iceberg and delta the table's folder.")
    table: str = Field("", description="Of postgres: schema.table.")
    connection: EnvironmentVariable | None = Field(
        None, description="Of postgres: the environment variable that holds the server's URL."
    )
    log_date: ColumnName | None = Field(None, description="Of tables: the column that tells a row's log date.")
    allow_empty_days: bool = Field(False, description="A day without a file is empty, not missing.")
    owner: str = Field("", description="Who is alerted when its log fails.")

    @property
    def place(self) -> str:
        """Where its log lies, for people to read."""
        return self.path or self.table


class ExposureColumns(Entity):
    """Which columns of an exposure log hold the required fields."""

    unit_id: ColumnName
    experiment_id: ColumnName
    variant_id: ColumnName
    exposed_at: ColumnName


class ExposureSource(Source):
    """A log of units exposed to variants."""

    columns: ExposureColumns
    attributes: tuple[Identifier, ...] = Field((), description="Kept at first exposure; usable as segments.")


class EventColumns(Entity):
    """Which columns of an event log hold the required fields; without event_id whole rows are compared."""

    event_id: ColumnName | None = None
    unit_id: ColumnName
    event_name: ColumnName
    occurred_at: ColumnName


class Measure(Entity):
    """A number carried by events, stored as the integer round(value * 10**decimals)."""

    column: ColumnName
    unit: str = ""
    unit_column: ColumnName | None = Field(None, description="Holds each amount's unit; one in another is not counted.")
    decimals: int = Field(2, ge=0, le=12)

    @model_validator(mode="after")
    def _unit_to_expect(self) -> "Measure":
        if self.unit_column is not None and not self.unit:
            raise ValueError("`unit_column` needs `unit`: the one that amounts are expected in")
        return self


class EventSource(Source):
    """A log of what units did."""

    columns: EventColumns
    measures: dict[Identifier, Measure] = Field(default_factory=dict)
    properties: tuple[Identifier, ...] = Field((), description="Text columns usable in `where`.")


class UnitColumns(Entity):
    """Which columns of a unit table hold the required fields."""

    unit_id: ColumnName
    valid_from: ColumnName


class UnitSource(Source):
    """Attributes of units from another table, as of exposure."""

    columns: UnitColumns
    attributes: tuple[Identifier, ...] = Field(min_length=1)


class Sources(Entity):
    """`sources.yaml`."""

    exposures: tuple[ExposureSource, ...] = Field(min_length=1)
    events: tuple[EventSource, ...] = ()
    units: tuple[UnitSource, ...] = ()
