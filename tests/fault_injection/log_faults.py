"""Faults of logs: each damages the log of one experiment, on the 15th unless it says otherwise."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from configs.schema import Format
from tests.fault_injection import damages as do
from tests.fault_injection.fault import OLD, Fault, Incident, day
from tests.fault_injection.injections import exposures_lost
from tests.fault_injection.project import source_of

Status = Literal["missing", "failed"]


def absent(name: str, status: Status, says: str, on: int = 15) -> Incident:
    """A day of the log that did not reach the lake, and those that follow it."""
    return Incident(
        f"{status}_day", on, says=says, segment=f"from {day(on)}", kind="source", subject=source_of(name),
        gate="incomplete",
    )  # fmt: skip


def incomplete(says: str = "", on: int = 15) -> Incident:
    """What that means for the experiment that reads it."""
    return Incident("missing_data", on, "warning", says, gate="incomplete")


def lost_day(
    name: str,
    injects: str,
    status: Status,
    damages: Callable[[Path], None],
    says: str,
    format: Format = "parquet",
    kind: Literal["orders", "exposures"] = "orders",
) -> Fault:
    """A day that is not there, or cannot be used: it makes metrics incomplete, and the experiment cannot ship."""
    return Fault(
        injects,
        (absent(name, status, says), incomplete(f"{source_of(name)} {day(15)} \\({status}")),
        units=300, start=OLD if kind == "exposures" else 15, damages=((15, damages),), source=kind, format=format,
        decision="review",
    )  # fmt: skip


def odd_day(
    name: str,
    injects: str,
    damages: Callable[[Path], None],
    says: str,
    format: Format = "parquet",
    units: int = 500,
) -> Fault:
    """A day that counts, with something unusual about it: a warning about the log, and one for its experiment."""
    return Fault(
        injects,
        (
            Incident(
                "day_is_complete", 15, "warning", f"{day(15)}: .*{says}", kind="check",
                subject=f"ingest/{source_of(name)}", gone=16,
            ),
            Incident("log_anomalies", 15, "warning", f"{source_of(name)}: .*{says}", gone=16),
        ),
        units=units, damages=((15, damages),), source="orders", format=format,
    )  # fmt: skip


LOG_FAULTS = {
    "late_file": lost_day("late_file", "no file of orders", "missing", do.removed, "no file"),
    "file_cut_short": lost_day("file_cut_short", "half of a Parquet file", "failed", do.cut_short, "parquet"),
    "gzip_cut_short": lost_day(
        "gzip_cut_short", "half of a gzip stream", "failed", do.gzipped_and_cut_short, "gzip", "jsonl"
    ),
    "no_bytes": lost_day("no_bytes", "a CSV file of no bytes", "failed", do.emptied, "empty", "csv"),
    "other_encoding": lost_day("other_encoding", "text that is not UTF-8", "failed", do.not_utf8, "UTF-8", "csv"),
    "other_separator": lost_day(
        "other_separator", "semicolons in the place of commas", "failed", do.with_semicolons,
        "not separated by commas", "csv",
    ),
    "no_column": lost_day(
        "no_column", "a required column is gone", "failed", do.without_column("unit"), "unit"
    ),
    "no_numbers": lost_day(
        "no_numbers", "six tenths of the amounts are no numbers", "failed", do.texts_in("amount", 0.6, "n/a"),
        "quarantine_share", "csv",
    ),
    "no_units": lost_day(
        "no_units", "six tenths of the rows name no unit", "failed", do.column_emptied("unit", 0.6), "quarantine_share"
    ),
    "old_file": lost_day(
        "old_file", "the file of the day before, once more", "failed", do.of_the_day_before, "rows"
    ),
    "exposures_missing": lost_day(
        "exposures_missing", "no file of exposures", "missing", do.removed, "no file", kind="exposures"
    ),
    "exposures_cut_short": lost_day(
        "exposures_cut_short", "half of a Parquet file of exposures", "failed", do.cut_short, "parquet",
        kind="exposures",
    ),
    "exposures_of_nobody": lost_day(
        "exposures_of_nobody", "every exposure is in an unknown variant", "failed", do.column_of("variant", "c"),
        "quarantine_share", kind="exposures",
    ),
    "three_files_late": Fault(
        "no file of orders on the 15th, 16th and 17th: one incident that grows, and stale metrics on the third day",
        (
            absent("three_files_late", "missing", "no file"), incomplete(),
            Incident("metric_freshness", 17, "warning", "three_files_late_log is 3 days older"),
        ),
        units=300, source="orders", decision="review", damages=tuple((number, do.removed) for number in (15, 16, 17)),
    ),
    "no_rows": odd_day("no_rows", "a CSV file without rows", do.header_only, "volume_ratio", "csv"),
    "half_a_day": odd_day("half_a_day", "nothing after noon", do.cut_at_noon, "silent_hours"),
    "rows_twice": odd_day("rows_twice", "four rows in ten twice", do.rows_twice(0.4), "duplicate_share"),
    "thrice_as_many": odd_day("thrice_as_many", "every row as three", do.as_other_rows(3), "volume_ratio"),
    "bad_instants": odd_day(
        "bad_instants", "a tenth of the instants are words", do.texts_in("at", 0.1, "noon"), "quarantine_share", "csv"
    ),
    "bad_lines": odd_day(
        "bad_lines", "a tenth of the lines are no JSON", do.lines_broken(0.1), "quarantine_share", "jsonl"
    ),
    "rows_come_late": odd_day(
        "rows_come_late", "3 % of the rows are four days old", do.rows_moved(0.03, -4), "late_share"
    ),
    "property_gone": odd_day("property_gone", "a property is empty", do.column_emptied("channel"), "null_share_rise"),
    "event_gone": odd_day(
        "event_gone", "one of two events is not logged", do.without_event("error"), "slice_ratio", units=1_200
    ),
    "bad_exposures": Fault(
        "a tenth of the exposures' instants are words",
        (
            Incident(
                "day_is_complete", 15, "warning", "quarantine_share", kind="check",
                subject=f"ingest/{source_of('bad_exposures')}", gone=16,
            ),
            Incident("refused_exposures", 15, "warning", r"\d+ bad_exposed_at"),
        ),
        units=500, source="exposures", format="csv", damages=((15, do.texts_in("at", 0.1, "noon")),),
    ),
}  # fmt: skip

LOG_PAIRS = {
    "late_then_cut_short": Fault(
        "no file on the 15th, half a file on the 16th",
        (
            absent("late_then_cut_short", "missing", "no file"), incomplete(),
            absent("late_then_cut_short", "failed", "parquet", on=16),
        ),
        units=300, source="orders", decision="review", damages=((15, do.removed), (16, do.cut_short)),
    ),
    "late_twice": Fault(
        "no file on the 15th, and none on the 17th: two incidents",
        (absent("late_twice", "missing", "no file"), incomplete(), absent("late_twice", "missing", "no file", on=17)),
        units=300, source="orders", decision="review", damages=((15, do.removed), (17, do.removed)),
    ),
    "half_a_late_day": Fault(
        "nothing after noon, and 3 % of the rows are four days old: one incident that names both",
        odd_day(
            "half_a_late_day", "", do.removed, "late_share.*silent_hours|silent_hours.*late_share"
        ).incidents,
        units=500, source="orders", damages=((15, do.both(do.cut_at_noon, do.rows_moved(0.03, -4))),),
    ),
    "late_file_and_srm": Fault(
        "no file of orders, and four fifths of b's exposures are lost",
        (
            absent("late_file_and_srm", "missing", "no file"), incomplete(),
            Incident("sample_ratio_mismatch", 15), Incident("sample_ratio_mismatch_matured", 16),
        ),
        units=3_000, source="orders", decision="invalid", breaks=exposures_lost("b", 0.8),
        damages=((15, do.removed),),
    ),
}  # fmt: skip

LOG_WARD = LOG_FAULTS | LOG_PAIRS | {f"clean_{number}": Fault("nothing", (), units=300) for number in range(2)}
