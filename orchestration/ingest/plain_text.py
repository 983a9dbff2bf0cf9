"""CSV and JSONL files as clean text: UTF-8, unpacked, newlines of one kind.

DuckDB reads a damaged gzip stream short without a word, and refuses mixed newlines. So the bytes are checked
here, in one pass, and a file that is not plain already gets a clean copy.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestration.ingest.errors import BadFileError

_CHUNK_BYTES = 4 * 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class _Survey:
    """What one pass over the bytes found."""

    has_mark: bool
    has_carriage_return: bool


def plain_text(path: Path, scratch: Path) -> Path:
    """`path` itself when it is plain text already, else a clean copy of it in `scratch`.

    Raises BadFileError, naming the byte or line, when the file is no UTF-8 text or its gzip stream is
    damaged; OSError when the copy cannot be written.
    """
    is_packed = _is_gzip(path)
    if path.suffix == ".gz" and not is_packed:
        raise BadFileError("is named .gz but is not a gzip file")
    survey = _survey(_chunks(path, is_packed))
    if not (is_packed or survey.has_mark or survey.has_carriage_return):
        return path
    copy = scratch / f"{path.name}.txt"
    with copy.open("wb") as target:
        for chunk in _unix_newlines(_without_mark(_chunks(path, is_packed))):
            target.write(chunk)
    return copy


def _is_gzip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == _GZIP_MAGIC
    except OSError as error:
        raise BadFileError(f"cannot be read: {error.strerror}") from error


def _chunks(path: Path, is_packed: bool) -> Iterator[bytes]:
    position = 0
    try:
        with gzip.open(path, "rb") if is_packed else path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                position += len(chunk)
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadFileError(f"gzip stream is damaged after byte {position} of its content: {error}") from error
    except OSError as error:
        raise BadFileError(f"cannot be read: {error.strerror}") from error


def _survey(chunks: Iterator[bytes]) -> _Survey:
    decoder = codecs.getincrementaldecoder("utf-8")()
    has_mark = has_carriage_return = False
    lines = position = 0
    for chunk in chunks:
        if position == 0:
            has_mark = chunk.startswith(codecs.BOM_UTF8)
            if chunk.startswith(_UTF16_MARKS):
                raise BadFileError("is UTF-16 text; write it as UTF-8")
        if (nul := chunk.find(b"\0")) >= 0:
            line = lines + chunk.count(b"\n", 0, nul) + 1
            raise BadFileError(
                f"line {line}: NUL at byte {position + nul}; the file is no text or was not written completely"
            )
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise _not_utf8(error, position - pending, lines) from error
        has_carriage_return = has_carriage_return or b"\r" in chunk
        lines += chunk.count(b"\n")
        position += len(chunk)
    if decoder.getstate()[0]:
        raise BadFileError(f"line {lines + 1}: ends within a UTF-8 character; the file was cut short")
    return _Survey(has_mark, has_carriage_return)


def _not_utf8(error: UnicodeDecodeError, start: int, lines_before: int) -> BadFileError:
    line = lines_before + error.object.count(b"\n", 0, error.start) + 1
    value = error.object[error.start]
    return BadFileError(f"line {line}: not UTF-8 (byte 0x{value:02x} at {start + error.start}); write it as UTF-8")


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, b"")
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from chunks


def _unix_newlines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    carried = b""  # a carriage return at the end of a chunk may be half of a pair
    for chunk in chunks:
        joined = carried + chunk
        carried = b"\r" if joined.endswith(b"\r") else b""
        yield joined[: len(joined) - len(carried)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    yield carried.replace(b"\r", b"\n")
