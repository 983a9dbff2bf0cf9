"""YAML into plain data: lines, YAML 1.2 scalars, and files that aren't YAML."""

import math
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.yaml_document import read_document


def read(folder: Path, content: str | bytes):
    (folder / "file.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_document(folder, "file.yaml")


def test_each_value_has_the_line_of_its_key_or_its_entry(tmp_path):
    document = read(tmp_path, "a: 1\nb:\n  - c: 2\n    d:\n      3\n  - [4,\n     5]\n")

    assert document.data == {"a": 1, "b": [{"c": 2, "d": 3}, [4, 5]]}
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 0, "c"): 3,
        ("b", 0, "d"): 4,
        ("b", 1): 6,
        ("b", 1, 0): 6,
        ("b", 1, 1): 7,
    }
    assert document.line(("b", 0, "nothing", "here")) == 3


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("12", 12), ("-3", -3), ("+3", 3), ("0", 0), ("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("1e-3", 0.001),
        ("2E3", 2000.0), ("true", True), ("False", False), ("~", None), ("null", None), ("", None),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("y", "y"), ("=", "="), ("<<", "<<"), ("012", "012"),
        ("0x1f", "0x1f"), ("1:30", "1:30"), ("1_000", "1_000"),
        ("2026-10-01", "2026-10-01"), (".nan", ".nan"),
        ("1.2.3", "1.2.3"), ('"12"', "12"), ("'true'", "true"), ("|\n  two\n  lines\n", "two\nlines\n"),
        ("&anchor x", "x"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(tmp_path, written, value):
    document = read(tmp_path, f"key: {written}")

    assert not document.problems
    assert (type(document.data["key"]), document.data["key"]) == (type(value), value)


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate key 'a'; first given in line 1"),
        ("a: 1\n1: 2\n", 2, "the key 1 isn't text; write it in quotes"),
        ("a: 1\nnull: 2\n", 2, "the key null isn't text; write it in quotes"),
        ("a: 1\n[b]: 2\n", 2, "the key a collection isn't text; write it in quotes"),
        ("a: 1\nb: !!python/name:os.system\n", 2,
         "the tag tag:yaml.org,2002:python/name:os.system isn't supported; remove it"),
        ("a: 1\nb: !mine {c: 1}\n", 2, "the tag !mine isn't supported; remove it"),
        ("a: &loop\n  - *loop\n", 1, "an alias inside the value it stands for"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3,
         "isn't valid YAML: while parsing a flow sequence expected ',' or ']', but got ':'"),
        ("a: 1\nb: 'open\nc: 3\n", 2,
         "isn't valid YAML: while scanning a quoted scalar found unexpected end of stream"),
        ("a: 1\n\tb: 2\n", 2,
         "isn't valid YAML: while scanning for the next token "
         "found character '\\t' that cannot start any token"),
        ("a: 1\n---\nb: 2\n", 2,
         "isn't valid YAML: expected a single document in the stream but found another document"),
        ("a: *nothing\n", 1, "isn't valid YAML: found undefined alias 'nothing'"),
        ("a: 1\nb: \x07\n", 1, "isn't valid YAML: it holds the control character '\\x07'"),
        ("a: 1\nb: é\n".encode("latin-1"), 2, "isn't UTF-8 text; save the file as UTF-8"),
        ("", 1, "the file is empty"),
        ("# only a comment\n", 1, "the file is empty"),
        ("null\n", 1, "the file is empty"),
    ],
)  # fmt: skip
def test_broken_yaml_is_a_problem_with_its_line(tmp_path, content, line, message):
    document = read(tmp_path, content)

    assert [str(problem) for problem in document.problems] == [f"file.yaml:{line}: {message}"]


def test_every_duplicate_is_reported(tmp_path):
    document = read(tmp_path, "a: 1\na: 2\nb: {c: 1, c: 2}\n")

    assert [problem.line for problem in document.problems] == [2, 3]


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path):
    document = read(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")

    assert document.data == {"a": 1, "b": 2}
    assert document.line(("b",)) == 2


def test_a_file_that_is_not_there_and_a_folder_in_its_place(tmp_path):
    (tmp_path / "folder.yaml").mkdir()

    missing, folder = read_document(tmp_path, "none.yaml"), read_document(tmp_path, "folder.yaml")

    assert [str(p) for p in missing.problems] == ["none.yaml:1: can't be read: No such file or directory"]
    assert [str(p) for p in folder.problems] == ["folder.yaml:1: can't be read: Is a directory"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads files without permission")
def test_a_file_without_read_permission(tmp_path):
    (tmp_path / "file.yaml").write_text("a: 1")
    (tmp_path / "file.yaml").chmod(0)

    assert [str(p) for p in read_document(tmp_path, "file.yaml").problems] == [
        "file.yaml:1: can't be read: Permission denied"
    ]


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
        max_leaves=8,
    )
)
@settings(deadline=None)
def test_quoted_yaml_is_read_back(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("yaml")
    text = yaml.safe_dump({"root": _quoted(value)}, allow_unicode=True)

    document = read(folder, text)

    assert not document.problems
    assert document.data == {"root": value}
    assert all(1 <= line <= text.count("\n") + 1 for line in document.lines.values())


class Quoted(str):
    """Text that is written in quotes, so that its look doesn't matter."""


yaml.SafeDumper.add_representer(
    Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')
)


def _quoted(value):
    if isinstance(value, str):
        return Quoted(value)
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    return value


def test_infinite_numbers_are_numbers_too_large(tmp_path):
    assert math.isinf(read(tmp_path, "a: 1e999").data["a"])
