"""Every way in which a log is known to break: what is said, and that good rows of good files stay."""

import codecs
import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.lake import DayManifest
from tests.orchestration.ingest_case import HEADER, Shop, event_source

GOOD_ROWS = 30
GOOD_CSV = HEADER + "".join(f"g{i},u{i},purchase,2026-10-05T10:00:{i:02d}Z,{i}.50,web\n" for i in range(GOOD_ROWS))
GOOD_JSONL = "".join(
    f'{{"event_id":"g{i}","user_id":"u{i}","name":"purchase","ts":"2026-10-05T10:00:{i:02d}Z","amount":{i}.5}}\n'
    for i in range(GOOD_ROWS)
)


def good_table(**replaced: pa.Array) -> pa.Table:
    instants = [datetime(2026, 10, 5, 10, 0, i, tzinfo=UTC) for i in range(GOOD_ROWS)]
    columns = {
        "event_id": pa.array([f"g{i}" for i in range(GOOD_ROWS)]),
        "user_id": pa.array([f"u{i}" for i in range(GOOD_ROWS)]),
        "name": pa.array(["purchase"] * GOOD_ROWS),
        "ts": pa.array(instants, pa.timestamp("us", "UTC")),
        "amount": pa.array([i + 0.5 for i in range(GOOD_ROWS)]),
        "channel": pa.array(["web"] * GOOD_ROWS),
    }
    return pa.table({**columns, **replaced})


def parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def damaged(content: bytes, start: int, stop: int) -> bytes:
    return content[:start] + b"\xff" * (stop - start) + content[stop:]


GOOD_PARQUET = parquet_bytes(good_table())
TEXTS = pa.array(["x"] * GOOD_ROWS)


@dataclass(frozen=True)
class BadFile:
    """A file that fails its day; `says` are parts of the manifest's reason, after the file's name."""

    label: str
    file_format: str
    name: str
    content: bytes
    says: tuple[str, ...]


def bad_file(label: str, name: str, content: bytes, *says: str) -> BadFile:
    return BadFile(label, name.split(".")[1], name, content, says)


BAD_FILES = [
    bad_file("truncated parquet", "a.parquet", GOOD_PARQUET[:-100], "cannot be read as Parquet", "magic"),
    bad_file("text named parquet", "a.parquet", GOOD_CSV.encode(), "cannot be read as Parquet"),
    bad_file("zero-byte parquet", "a.parquet", b"", "cannot be read as Parquet", "too small"),
    bad_file("damaged parquet pages", "a.parquet", damaged(GOOD_PARQUET, 4, 600), "cannot be read as Parquet"),
    bad_file(
        "parquet without a column",
        "a.parquet",
        parquet_bytes(good_table().drop_columns(["user_id"])),
        "column 'user_id' (unit_id) is missing",
        "found: event_id, name",
    ),
    bad_file(
        "parquet with a column twice",
        "a.parquet",
        parquet_bytes(good_table().append_column("user_id", TEXTS)),
        "column 'user_id' (unit_id) is there twice",
    ),
    bad_file(
        "columns that differ by case",
        "a.parquet",
        parquet_bytes(good_table().append_column("User_ID", TEXTS)),
        "column 'user_id' (unit_id) is there twice",
    ),
    bad_file(
        "nested unit id",
        "a.parquet",
        parquet_bytes(good_table(user_id=pa.array([{"id": 1}] * GOOD_ROWS))),
        "column 'user_id' has type STRUCT(id BIGINT)",
        "unit_id takes text",
    ),
    bad_file(
        "binary unit id",
        "a.parquet",
        parquet_bytes(good_table(user_id=pa.array([b"\x01"] * GOOD_ROWS))),
        "column 'user_id' has type BLOB",
    ),
    bad_file(
        "epoch seconds",
        "a.parquet",
        parquet_bytes(good_table(ts=pa.array([1_790_000_000] * GOOD_ROWS))),
        "column 'ts' has type BIGINT",
        "epoch numbers do not say their unit",
    ),
    bad_file(
        "dates without a time",
        "a.parquet",
        parquet_bytes(good_table(ts=pa.array([datetime(2026, 10, 5).date()] * GOOD_ROWS))),
        "column 'ts' has type DATE",
        "occurred_at takes a timestamp",
    ),
    bad_file(
        "boolean measure",
        "a.parquet",
        parquet_bytes(good_table(amount=pa.array([True] * GOOD_ROWS))),
        "column 'amount' has type BOOLEAN",
        "amount takes a number",
    ),
    bad_file("zero-byte csv", "a.csv", b"", "is empty", "header row"),
    bad_file(
        "csv without a column",
        "a.csv",
        GOOD_CSV.replace(",amount,", ",amuont,", 1).encode(),
        "column 'amount' (amount) is missing",
        "found: event_id, user_id, name, ts, amuont, channel",
    ),
    bad_file(
        "csv with a column twice",
        "a.csv",
        GOOD_CSV.replace(",channel\n", ",amount\n", 1).encode(),
        "column 'amount' (amount) is there twice",
    ),
    bad_file("semicolons", "a.csv", GOOD_CSV.replace(",", ";").encode(), "line 1: header", "not separated by commas"),
    bad_file(
        "latin-1 csv",
        "a.csv",
        (GOOD_CSV + "x,Zoë,purchase,2026-10-05T10:00:00Z,1,web\n").encode("latin-1"),
        "line 32: not UTF-8 (byte 0xeb at",
        "write it as UTF-8",
    ),
    bad_file(
        "UTF-16 csv", "a.csv", codecs.BOM_UTF16_LE + GOOD_CSV.encode("utf-16-le"), "is UTF-16 text; write it as UTF-8"
    ),
    bad_file(
        "csv cut within a character",
        "a.csv",
        GOOD_CSV.encode() + "x,ë".encode()[:-1],
        "line 32: ends within a UTF-8 character",
    ),
    bad_file("NUL bytes", "a.csv", GOOD_CSV.encode() + b"\0" * 512, "line 32: NUL at byte"),
    bad_file(
        "quote left open",
        "a.csv",
        (GOOD_CSV + 'x,"u,purchase,2026-10-05T10:00:00Z,1,web\n').encode() + GOOD_CSV.encode(),
        "record 32:",
        "unterminated quote",
    ),
    bad_file("csv named gzip", "a.csv.gz", GOOD_CSV.encode(), "is named .gz but is not a gzip file"),
    bad_file("truncated gzip", "a.csv.gz", gzip.compress(GOOD_CSV.encode())[:-20], "gzip stream is damaged"),
    bad_file(
        "corrupted gzip", "a.jsonl.gz", damaged(gzip.compress(GOOD_JSONL.encode()), 40, 80), "gzip stream is damaged"
    ),
    bad_file(
        "latin-1 jsonl",
        "a.jsonl",
        (GOOD_JSONL + '{"user_id":"Zoë"}\n').encode("latin-1"),
        "line 31: not UTF-8 (byte 0xeb at",
    ),
    bad_file(
        "JSON array", "a.jsonl", b'[\n{"event_id":"1"},\n{"event_id":"2"}\n]\n', "is a JSON array", "an object a line"
    ),
]


@pytest.mark.parametrize("case", BAD_FILES, ids=lambda case: case.label)
def test_a_bad_file_fails_its_day_and_is_named(case: BadFile, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    good = {"csv": GOOD_CSV.encode(), "jsonl": GOOD_JSONL.encode(), "parquet": GOOD_PARQUET}[case.file_format]
    shop.write(f"0_good.{case.file_format}", good)
    bad = shop.write(case.name, case.content)

    manifest = shop.ingest(event_source(case.file_format))

    assert manifest.status == "failed"
    assert manifest.reason.startswith(f"events/2026-10-05/{case.name}: ")
    for part in case.says:
        assert part in manifest.reason
    assert (manifest.rows_file, manifest.quarantine_file, manifest.rows_accepted) == (None, None, 0)

    bad.unlink()
    assert shop.ingest(event_source(case.file_format)).rows_accepted == GOOD_ROWS


def folder(path: Path) -> None:
    path.mkdir()


def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "says"),
    [(folder, "is a folder"), (dangling_link, "cannot be read: No such file or directory")],
    ids=["folder", "dangling link"],
)
def test_what_is_no_file_fails_its_day(make: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.write("0_good.csv", GOOD_CSV)
    make(shop.path("a.csv"))

    manifest = shop.ingest(event_source())

    assert (manifest.status, manifest.rows_file) == ("failed", None)
    assert manifest.reason.startswith("events/2026-10-05/a.csv: ")
    assert says in manifest.reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_fails_its_day(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.write("a.csv", GOOD_CSV).chmod(0)
    manifest = shop.ingest(event_source())
    assert manifest.status == "failed"
    assert manifest.reason == "events/2026-10-05/a.csv: cannot be read: Permission denied"


def csv_row(
    event_id: str = "b", user: str = "u", name: str = "purchase", ts: str = "2026-10-05T10:00:00Z", amount: str = "1"
) -> str:
    return f"{event_id},{user},{name},{ts},{amount},web\n"


BAD_CSV_ROWS = [
    ("too few fields", "b,u,purchase\n", "malformed_row"),
    ("too many fields", csv_row().replace("\n", ",x,y\n"), "malformed_row"),
    ("no event id", csv_row(event_id=""), "missing_event_id"),
    ("no unit", csv_row(user=""), "missing_unit_id"),
    ("empty quoted unit", csv_row(user='""'), "missing_unit_id"),
    ("no event name", csv_row(name=""), "missing_event_name"),
    ("no instant", csv_row(ts=""), "missing_occurred_at"),
    ("instant in words", csv_row(ts="yesterday"), "bad_occurred_at"),
    ("epoch seconds", csv_row(ts="1790000000"), "bad_occurred_at"),
    ("date without a time", csv_row(ts="2026-10-05"), "bad_occurred_at"),
    ("no such day", csv_row(ts="2026-02-30T10:00:00Z"), "bad_occurred_at"),
    ("day first", csv_row(ts="05/10/2026 10:00:00"), "bad_occurred_at"),
    ("infinite instant", csv_row(ts="infinity"), "bad_occurred_at"),
    ("number in words", csv_row(amount="ten"), "bad_amount"),
    ("thousands separator", csv_row(amount='"1,000"'), "bad_amount"),
    ("digit grouping", csv_row(amount="1_000"), "bad_amount"),
    ("hexadecimal", csv_row(amount="0x10"), "bad_amount"),
    ("not a number", csv_row(amount="NaN"), "non_finite_amount"),
    ("infinite", csv_row(amount="-inf"), "non_finite_amount"),
    ("1e14 units", csv_row(amount="1000000000000"), "too_large_amount"),
    ("rounds to 1e14 units", csv_row(amount="-999999999999.995"), "too_large_amount"),
    ("beyond every integer", csv_row(amount="1e300"), "too_large_amount"),
    ("too new", csv_row(ts="2026-10-06T01:00:00.000001Z"), "future"),
    ("too old", csv_row(ts="2026-10-01T23:59:59.999999Z"), "late"),
]

BAD_JSONL_ROWS = [
    ("broken object", '{"event_id":"b","user_id":\n', "malformed_row"),
    ("two objects a line", '{"event_id":"b"} {"event_id":"c"}\n', "malformed_row"),
    ("an array", '["b"]\n', "malformed_row"),
    ("a text", '"b"\n', "malformed_row"),
    ("raw control character", '{"event_id":"b\x1f"}\n', "malformed_row"),
    ("line beyond 2 MB", f'{{"event_id":"{"b" * 2_100_000}"}}\n', "malformed_row"),
    ("no such key", '{"event_id":"b","name":"x","ts":"2026-10-05T10:00:00Z"}\n', "missing_unit_id"),
    ("null", '{"event_id":"b","user_id":null,"name":"x","ts":"2026-10-05T10:00:00Z"}\n', "missing_unit_id"),
    ("nested unit", '{"event_id":"b","user_id":{"id":1},"name":"x","ts":"2026-10-05T10:00:00Z"}\n', "bad_unit_id"),
    (
        "list of numbers",
        '{"event_id":"b","user_id":"u","name":"x","ts":"2026-10-05T10:00:00Z","amount":[1]}\n',
        "bad_amount",
    ),
    ("epoch milliseconds", '{"event_id":"b","user_id":"u","name":"x","ts":1790000000000}\n', "bad_occurred_at"),
]


@pytest.fixture(scope="module")
def day_of_bad_rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Shop, DayManifest]]:
    """For each text format a file of good rows with every bad row of its table among them."""
    days = {}
    for file_format, good, cases in (("csv", GOOD_CSV, BAD_CSV_ROWS), ("jsonl", GOOD_JSONL, BAD_JSONL_ROWS)):
        lines = good.splitlines(keepends=True)
        middle = len(lines) // 2
        bad = [row for _, row, _ in cases]
        shop = Shop(tmp_path_factory.mktemp(file_format))
        shop.write(f"a.{file_format}", "".join([*lines[:middle], *bad, *lines[middle:]]))
        days[file_format] = (shop, shop.ingest(event_source(file_format)))
    return days


@pytest.mark.parametrize(
    ("file_format", "row_number", "reason"),
    [
        pytest.param("csv", GOOD_ROWS // 2 + i, reason, id=f"csv: {label}")
        for i, (label, _, reason) in enumerate(BAD_CSV_ROWS)
    ]
    + [
        pytest.param("jsonl", GOOD_ROWS // 2 + i + 1, reason, id=f"jsonl: {label}")
        for i, (label, _, reason) in enumerate(BAD_JSONL_ROWS)
    ],
)
def test_a_bad_row_is_quarantined_with_its_reason_and_place(
    file_format: str,
    row_number: int,
    reason: str,
    day_of_bad_rows: dict[str, tuple[Shop, DayManifest]],
) -> None:
    shop, manifest = day_of_bad_rows[file_format]
    assert dict(shop.quarantine(manifest, "row_number, reason"))[row_number] == reason


@pytest.mark.parametrize(("file_format", "n_bad"), [("csv", len(BAD_CSV_ROWS)), ("jsonl", len(BAD_JSONL_ROWS))])
def test_good_rows_among_bad_ones_stay(
    file_format: str, n_bad: int, day_of_bad_rows: dict[str, tuple[Shop, DayManifest]]
) -> None:
    shop, manifest = day_of_bad_rows[file_format]
    assert manifest.status == "ok", manifest.reason
    assert shop.rows(manifest, "event_id") == sorted((f"g{i}",) for i in range(GOOD_ROWS))
    assert (manifest.rows_read, manifest.rows_quarantined) == (GOOD_ROWS + n_bad, n_bad)


def test_bad_parquet_values_are_quarantined(tmp_path: Path) -> None:
    units = pa.array([None, "", *(f"u{i}" for i in range(2, GOOD_ROWS))])
    amounts = pa.array([1.0, 1.0, float("nan"), float("inf"), 1e12, *([1.0] * (GOOD_ROWS - 5))])
    shop = Shop(tmp_path)
    pq.write_table(good_table(user_id=units, amount=amounts), shop.path("a.parquet"))

    manifest = shop.ingest(event_source("parquet"))

    assert shop.quarantine(manifest) == [
        ("missing_unit_id", 1),
        ("missing_unit_id", 2),
        ("non_finite_amount", 3),
        ("non_finite_amount", 4),
        ("too_large_amount", 5),
    ]
    assert manifest.rows_accepted == GOOD_ROWS - 5


def test_a_quarantined_row_keeps_what_was_read(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.write("a.csv", GOOD_CSV + 'b,u,"say ""hi""",2026-10-05T10:00:00Z,ten,\n' + "b,u\n")

    manifest = shop.ingest(event_source())

    assert shop.quarantine(manifest, "row_number, file, reason, row") == [
        (
            31,
            "events/2026-10-05/a.csv",
            "bad_amount",
            '{"event_id":"b","user_id":"u","name":"say \\"hi\\"","ts":"2026-10-05T10:00:00Z",'
            '"amount":"ten","channel":null}',
        ),
        (32, "events/2026-10-05/a.csv", "malformed_row", '{"line":"b,u"}'),
    ]


@pytest.mark.parametrize(
    ("label", "content"),
    [
        ("byte order mark", codecs.BOM_UTF8 + GOOD_CSV.encode()),
        ("Windows newlines", GOOD_CSV.replace("\n", "\r\n").encode()),
        ("old Mac newlines", GOOD_CSV.replace("\n", "\r").encode()),
        ("newlines of two kinds", GOOD_CSV.replace("\n", "\r\n", 5).encode()),
        ("blank lines", GOOD_CSV.replace("\n", "\n\n").encode()),
        ("no newline at the end", GOOD_CSV.rstrip().encode()),
        ("gzip", gzip.compress(GOOD_CSV.encode())),
        ("two gzip members", gzip.compress(GOOD_CSV[:500].encode()) + gzip.compress(GOOD_CSV[500:].encode())),
    ],
)
def test_odd_but_sound_text_is_read_whole(label: str, content: bytes, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.write("a.csv", content)
    manifest = shop.ingest(event_source())
    assert (manifest.status, manifest.rows_accepted, manifest.rows_quarantined) == ("ok", GOOD_ROWS, 0), label
    assert shop.rows(manifest, "m_amount") == [(i * 100 + 50,) for i in range(GOOD_ROWS)]


def test_a_file_of_no_rows_is_a_day_of_no_rows(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.write("a.csv", HEADER)
    manifest = shop.ingest(event_source())
    assert (manifest.status, manifest.rows_read) == ("ok", 0)
    assert shop.rows(manifest) == []
    assert manifest.rows_file is not None
