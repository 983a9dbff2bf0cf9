"""The expectations that hold of any source whose suite does not speak of the same figure."""

from configs.suite_schema import DayExpectation, Suite

ROWS_JUDGED = 20  # below it a share says little: the day is warned about, not kept out
SLICE_ROWS_COMPARED = 100  # a rarer slice varies that much by chance
STEADY_ROWS = 1_000  # a usual day of fewer rows has quiet hours by chance

_BUILT_IN = (
    DayExpectation(figure="rows", min_value=1, severity="blocking"),
    DayExpectation(figure="quarantine_share", max_value=0.5, severity="blocking"),
    DayExpectation(figure="quarantine_share", max_value=0.05),
    DayExpectation(figure="unknown_share", max_value=0.05),
    DayExpectation(figure="late_share", max_value=0.01),
    DayExpectation(figure="duplicate_share", max_value=0.2),
    DayExpectation(figure="volume_ratio", min_value=0.5, max_value=2),
    DayExpectation(figure="slice_ratio", min_value=0.25, max_value=4),
    DayExpectation(figure="null_share_rise", max_value=0.2),
)
# More hours than that without a row, that usually have some: the day is a part of one.
_SILENT_HOURS = DayExpectation(figure="silent_hours", max_value=2)
_SILENT_HOURS_OF_FEW_ROWS = DayExpectation(figure="silent_hours", max_value=6)
OF_STEADY_VOLUME = frozenset({"volume_ratio", "silent_hours"})
OF_EXPOSURES = frozenset({"unknown_share"})


def built_in(usual_rows: float | None) -> tuple[DayExpectation, ...]:
    """What holds by default where so many rows a day are usual."""
    return (*_BUILT_IN, _SILENT_HOURS if (usual_rows or 0) >= STEADY_ROWS else _SILENT_HOURS_OF_FEW_ROWS)


def effective(suite: Suite, usual_rows: float | None) -> list[DayExpectation]:
    """The suite's expectations where so many rows are usual, and the built-in ones of figures that it leaves out."""
    own = {entry.figure for entry in suite.day if entry.of is None}
    return [
        *(entry for entry in built_in(usual_rows) if entry.figure not in own),
        *(entry for entry in suite.day if entry.severity != "off"),
    ]
