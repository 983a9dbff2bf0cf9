"""Where a source's log lies: the keys that its format takes, and what is wrong with them."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from configs.source_schema import TABLE_FORMATS, Source
from configs.supported import Finding

_KEYS = {
    "postgres": ("table", "connection", "log_date"),
    "iceberg": ("path", "log_date"),
    "delta": ("path", "log_date"),
}
_OF_FILES = ("path",)
_URL = re.compile(r"^([a-z][a-z0-9+.-]*)://")


def check_place(source: Source, *, dated: bool) -> Iterator[Finding]:
    """The format's keys are there and no others; a path stays in the data root, or is an object store's."""
    needed = _KEYS.get(source.format, _OF_FILES)
    for key in ("path", "table", "connection", "log_date"):
        if key in needed and not getattr(source, key):
            yield (), f"missing key {key!r}, which format {source.format} needs"
        elif key not in needed and getattr(source, key):
            yield (key,), f"{key} doesn't go with format {source.format}, which takes {' and '.join(needed)}"
    if source.path and "path" in needed:
        yield from _check_path(source, dated=dated)
    if source.format == "postgres" and not dated:
        yield ("format",), "unit tables are read from files"
    if source.table and "table" in needed and not re.fullmatch(r"[^.:/@]+\.[^.:/@]+", source.table):
        shown = "table" if "@" in source.table else f"table {source.table!r}"  # a URL, perhaps with a password
        yield ("table",), f"{shown} needs to be schema.table"


def _check_path(source: Source, *, dated: bool) -> Iterator[Finding]:
    path = source.path
    if remote := _URL.match(path):
        yield from _check_url(path, remote[1])
    elif path.startswith("/") or ".." in PurePosixPath(path).parts:
        yield ("path",), f"path {path!r} leaves the data root; give a path relative to it"
    if source.format in TABLE_FORMATS:
        if re.search(r"[*?\[{]", path):
            yield ("path",), f"path {path!r} is a table's folder: {{date}} and globs don't go with {source.format}"
        return
    if dated and "{date}" not in path:
        yield ("path",), f"path {path!r} needs {{date}}, which stands for the log date"
    for placeholder in sorted(set(re.findall(r"{[^{}]*}", path)) - {"{date}"}):
        yield ("path",), f"unknown placeholder {placeholder} in path {path!r}; known: {{date}}"


def _check_url(path: str, scheme: str) -> Iterator[Finding]:
    if scheme != "s3":
        yield ("path",), f"isn't built yet: paths of {scheme}://; object stores are read as s3://bucket/key"
        return
    bucket = urlsplit(path).netloc
    if "@" in bucket:
        yield (
            ("path",),
            "holds credentials: they come from the environment (AWS_ACCESS_KEY_ID and so on), never from YAML",
        )
    elif not re.fullmatch(r"[a-z0-9][a-z0-9.-]+", bucket):
        yield ("path",), f"path {path!r} needs a bucket: s3://bucket/key"
