"""The model of `expectations/<source>.yaml`: what a day of a source's log looks like when nothing is wrong."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from configs.entity import Entity

Severity = Literal["blocking", "warning", "off"]
"""`blocking` keeps the day out of the lake; `off` switches an expectation off, a built-in one too."""

WholeDayFigure = Literal[
    "rows",
    "rows_read",
    "rows_per_unit",
    "volume_ratio",
    "hours",
    "silent_hours",
    "duplicate_share",
    "quarantine_share",
    "unknown_share",
    "late_share",
]
ColumnFigure = Literal["null_share", "null_share_rise"]
MeasureFigure = Literal["minimum", "maximum", "median"]
SliceFigure = Literal["slice_ratio", "slice_share"]
Figure = Literal[WholeDayFigure, ColumnFigure, MeasureFigure, SliceFigure]
RowExpectationName = Literal[
    "column_values_to_be_between",
    "column_value_lengths_to_be_between",
    "column_values_to_be_in_set",
    "column_values_to_not_be_in_set",
    "column_values_to_match_regex",
    "column_values_to_not_match_regex",
    "column_values_to_not_be_null",
]

WHOLE_DAY_FIGURES: tuple[str, ...] = get_args(WholeDayFigure)
COLUMN_FIGURES: tuple[str, ...] = get_args(ColumnFigure)
MEASURE_FIGURES: tuple[str, ...] = get_args(MeasureFigure)
SLICE_FIGURES: tuple[str, ...] = get_args(SliceFigure)
ROW_EXPECTATIONS: tuple[str, ...] = get_args(RowExpectationName)
_NEEDS_SUBJECT = (*MEASURE_FIGURES, "slice_share")

_BOUNDS = ("min_value", "max_value")
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "column_values_to_be_between": _BOUNDS,
    "column_value_lengths_to_be_between": _BOUNDS,
    "column_values_to_be_in_set": ("value_set",),
    "column_values_to_not_be_in_set": ("value_set",),
    "column_values_to_match_regex": ("regex",),
    "column_values_to_not_match_regex": ("regex",),
    "column_values_to_not_be_null": (),
}


class _Expectation(Entity):
    """What expectations of both kinds have. Bounds are included; an absent one is no bound."""

    min_value: float | None = None
    max_value: float | None = None
    severity: Severity = "warning"
    observed: str = Field("", description="What the refresh saw in the log's history; nothing is checked by it.")
    note: str = Field("", description="For people.")

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> "_Expectation":
        if self.min_value is not None and self.max_value is not None and self.min_value > self.max_value:
            raise ValueError(f"min_value {self.min_value:g} is above max_value {self.max_value:g}: nothing can meet it")
        return self


class DayExpectation(_Expectation):
    """A range for a figure of the whole day: of the day itself, of a column, or of a slice of its rows."""

    figure: Figure
    of: str | None = Field(
        None, min_length=1, description="The column or slice; without it, a column's or slice's figure is any's."
    )
    event: str | None = Field(None, min_length=1, description="Of `median`: only the rows of this event.")

    @property
    def label(self) -> str:
        """What tells it apart from expectations of other figures."""
        return self.figure + (f" of {self.of}" if self.of else "") + (f" ({self.event})" if self.event else "")

    @model_validator(mode="after")
    def _fits_its_figure(self) -> "DayExpectation":
        if self.figure in WHOLE_DAY_FIGURES and self.of is not None:
            raise ValueError(f"{self.figure} is a figure of the whole day: remove `of`")
        if self.figure in _NEEDS_SUBJECT and self.of is None:
            raise ValueError(
                f"{self.figure} needs `of`: the {'slice' if 'slice' in self.figure else 'measure'} it is of"
            )
        if self.event is not None and self.figure != "median":
            raise ValueError(f"`event` goes with median alone, not with {self.figure}")
        if self.min_value is None and self.max_value is None and self.severity != "off":
            raise ValueError(f"{self.figure} needs min_value, max_value or both, or `severity: off`")
        return self


class RowExpectation(_Expectation):
    """An expectation of Great Expectations, by its name after `expect_`, on a column of the sampled rows."""

    expect: RowExpectationName
    column: str = Field(min_length=1)
    event: str | None = Field(None, min_length=1, description="Only the rows of this event.")
    value_set: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    regex: str | None = Field(None, min_length=1)
    mostly: float = Field(1.0, gt=0, le=1, description="The share of rows that must meet it, missing values aside.")

    @property
    def label(self) -> str:
        """What tells it apart from expectations of another kind or column."""
        return f"{self.expect} {self.column}" + (f" ({self.event})" if self.event else "")

    @property
    def subject(self) -> str:
        """The column, and the event where only its rows are meant."""
        return f"{self.column} ({self.event})" if self.event else self.column

    @model_validator(mode="after")
    def _has_its_arguments(self) -> "RowExpectation":
        takes = _ARGUMENTS[self.expect]
        given = [name for name in (*_BOUNDS, "value_set", "regex") if getattr(self, name) is not None]
        for name in given:
            if name not in takes:
                raise ValueError(
                    f"{self.expect} takes no {name}; it takes {' and '.join(takes) or 'none of these keys'}"
                )
        if takes and not given and self.severity != "off":
            raise ValueError(f"{self.expect} needs {' or '.join(takes)}, or `severity: off`")
        return self


Entry = DayExpectation | RowExpectation


class Refreshed(Entity):
    """What the last refresh wrote, by which the next one tells what people changed since."""

    first: str = Field("", description="First log date looked at.")
    last: str = ""
    days: int = Field(0, ge=0, description="Days with rows between the two.")
    entries: dict[str, str] = Field(default_factory=dict, description="Digest of each entry that it wrote.")


class Suite(Entity):
    """`expectations/<source>.yaml`."""

    day: tuple[DayExpectation, ...] = Field((), description="Of figures computed over all rows of a log date.")
    rows: tuple[RowExpectation, ...] = Field((), description="Of a sample of at most 10,000 accepted rows.")
    refreshed: Refreshed | None = None
