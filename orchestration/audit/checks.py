"""What is asked of a day, in a form that Great Expectations answers: ranges of figures, and sampled rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pandas as pd

from configs.suite_schema import DayExpectation, RowExpectation
from orchestration.audit.built_in import ROWS_JUDGED, built_in, effective
from orchestration.audit.day_figures import REQUIRED_NULL_SHARE
from orchestration.audit.evidence import DayContract, DayEvidence

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

# A single row shows them, so that they count on a day with few rows, too.
_NO_SHARES = frozenset({"rows_read", "hours", "minimum", "maximum"})
_VALUES_SHOWN = 5

Severity = Literal["critical", "warning"]


class Check(Protocol):
    """One question about a day. Equal ones of several days are asked together."""

    @property
    def name(self) -> str:
        """What Great Expectations calls it."""

    @property
    def column(self) -> str:
        """The figure or column that it is about."""

    @property
    def severity(self) -> Severity:
        """How grave it is if the answer is no."""

    @property
    def threshold(self) -> str:
        """What is expected, in words."""

    def expectation(self) -> "Expectation":
        """The question as an expectation."""


@dataclass(frozen=True)
class FigureCheck:
    """A figure of the day and the range expected of it, both ends included; None: no end."""

    column: str
    low: float | None
    high: float | None
    severity: Severity = "warning"
    name: str = "expect_column_values_to_be_between"

    @property
    def threshold(self) -> str:
        """The range."""
        return in_words(self.low, self.high)

    def expectation(self) -> "Expectation":
        """The range as an expectation."""
        # Great Expectations takes seconds to import, and is only needed where a day is ingested.
        from great_expectations.expectations import ExpectColumnValuesToBeBetween

        return ExpectColumnValuesToBeBetween(column=self.column, min_value=self.low, max_value=self.high)


@dataclass(frozen=True)
class RowCheck:
    """An expectation of a suite about the sampled rows."""

    entry: RowExpectation
    severity: Severity

    @property
    def name(self) -> str:
        """What Great Expectations calls it."""
        return f"expect_{self.entry.expect}"

    @property
    def column(self) -> str:
        """The column, and its event."""
        return self.entry.subject

    @property
    def threshold(self) -> str:
        """What is expected, in words."""
        entry = self.entry
        share = f" in at least {100 * entry.mostly:g} % of the rows" if entry.mostly < 1 else ""
        if entry.value_set is not None:
            shown = ", ".join(entry.value_set[:_VALUES_SHOWN])
            more = f" and {len(entry.value_set) - _VALUES_SHOWN} more" if len(entry.value_set) > _VALUES_SHOWN else ""
            return f"{'none' if '_not_' in entry.expect else 'one'} of {shown}{more}{share}"
        if entry.regex is not None:
            return f"text that {'does not match' if '_not_' in entry.expect else 'matches'} {entry.regex}{share}"
        if entry.expect == "column_values_to_not_be_null":
            return f"a value{share}"
        length = "a length of " if "lengths" in entry.expect else ""
        return f"{length}{in_words(entry.min_value, entry.max_value)}{share}"

    def expectation(self) -> "Expectation":
        """The entry as an expectation."""
        import great_expectations.expectations as gxe
        from great_expectations.expectations.row_conditions import Column

        entry = self.entry
        kind = getattr(gxe, "".join(word.capitalize() for word in self.name.split("_")))
        given = {
            name: getattr(entry, name)
            for name in ("min_value", "max_value", "regex")
            if getattr(entry, name) is not None
        }
        if entry.value_set is not None:
            given["value_set"] = list(entry.value_set)
        if entry.event is not None:
            given["row_condition"] = Column("event_name") == entry.event
        built: Expectation = kind(column=entry.column, mostly=entry.mostly, **given)
        return built


def figure_checks(day: DayEvidence, figures: pd.DataFrame) -> list[FigureCheck]:
    """What is asked of the day's figures. Blocking on a share needs some rows: with fewer it warns."""
    is_judged = day.profile["rows_read"] * (1 - day.profile["unknown_share"]) >= ROWS_JUDGED
    checks = [FigureCheck(REQUIRED_NULL_SHARE, None, 0.0, "critical")]
    for entry in effective(day.suite.suite, day.profile["usual_rows"]):
        if not _says_something(entry, day.contract, is_judged=is_judged):
            continue
        is_critical = entry.severity == "blocking" and (is_judged or entry.figure in _NO_SHARES)
        column = entry.label if entry.of is not None else entry.figure
        checks.append(FigureCheck(column, entry.min_value, entry.max_value, "critical" if is_critical else "warning"))
    # Without recent days there is nothing to compare with: such an expectation would pass and say nothing.
    return [check for check in checks if figures[check.column].notna().any()]


def _says_something(entry: DayExpectation, contract: DayContract, *, is_judged: bool) -> bool:
    """Whether the figure tells a fault from chance: not of a few rows, nor of what trickles in after the end."""
    if entry.figure in ("late_share", "duplicate_share") or (
        entry.figure == "quarantine_share" and entry.severity == "warning"
    ):
        return not contract.is_over and (is_judged or entry not in built_in(None))
    return is_judged or not contract.is_over or entry.figure not in ("rows", "quarantine_share")


def row_checks(day: DayEvidence) -> list[RowCheck]:
    """What the suite asks of the sampled rows; nothing of a day without any."""
    is_judged = day.profile["rows"] >= ROWS_JUDGED
    return [
        RowCheck(
            entry,
            "critical" if entry.severity == "blocking" and (is_judged or entry.mostly == 1) else "warning",
        )
        for entry in day.suite.suite.rows
        if entry.severity != "off" and len(day.sample)
    ]


def contract_expectations(contract: DayContract) -> list["Expectation"]:
    """What every accepted row keeps. Were one not met, the SQL that judged the rows would be wrong."""
    import great_expectations.expectations as gxe

    identity = list(contract.identity)
    return [
        gxe.ExpectColumnValuesToBeUnique(column=identity[0])
        if len(identity) == 1
        else gxe.ExpectCompoundColumnsToBeUnique(column_list=identity, ignore_row_if="never"),
        *(
            gxe.ExpectColumnValuesToBeInSet(column=name, value_set=list(values))
            for name, values in contract.value_sets.items()
        ),
        gxe.ExpectColumnMinToBeBetween(column=contract.instant, min_value=contract.earliest),
        gxe.ExpectColumnMaxToBeBetween(column=contract.instant, max_value=contract.latest),
    ]


def in_words(low: Any, high: Any) -> str:
    """A range in words; without ends, what a unique column keeps."""
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None or high is not None:
        return f"at most {high}" if low is None else f"at least {low}"
    return "no value twice"
