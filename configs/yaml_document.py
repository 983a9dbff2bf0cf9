"""YAML files as plain data, with the line of every value.

Plain scalars follow YAML 1.2's core schema: `no`, `on`, `=` and `2026-10-01` are text (PyYAML's own
rules make booleans, an error and a date of them) and `1e-3` is a number.
"""

import re
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from configs.problems import Problem

Location = tuple[str | int, ...]

_CONSTANTS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,999})")
_FLOAT = re.compile(r"[-+]?(0?\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SCALAR_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
)
_COLLECTION_TAGS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


@dataclass
class Document:
    """The data of one YAML file, the line of each value in it, and what is wrong with the YAML itself."""

    file: str
    data: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """Line of a value, or of the nearest value around it."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def problem(self, location: Location, message: str) -> Problem:
        """A problem at a value of this file."""
        return Problem(self.file, self.line(location), message)


def read_document(root: Path, file: str) -> Document:
    """Read `root/file`; whatever is wrong with its YAML is in the result's `problems`."""
    try:
        content = (root / file).read_bytes()
    except OSError as error:
        return Document(file, problems=[Problem(file, *_syntax_problem(error))])
    return deepcopy(_parsed(file, content))


@lru_cache(maxsize=10_000)
def _parsed(file: str, content: bytes) -> Document:
    """A file's document. The steps of a run read the same files again, and parsing is slow."""
    document = Document(file)
    try:
        node = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        document.problems.append(Problem(file, *_syntax_problem(error)))
        return document
    if node is not None:
        document.data = _convert(node, (), document, enclosing=())
    if document.data is None and not document.problems:
        document.problems.append(Problem(file, 1, "the file is empty"))
    return document


def _syntax_problem(error: OSError | UnicodeDecodeError | yaml.YAMLError) -> tuple[int, str]:
    if isinstance(error, OSError):
        return 1, f"can't be read: {error.strerror}"
    if isinstance(error, UnicodeDecodeError):
        return error.object[: error.start].count(b"\n") + 1, "isn't UTF-8 text; save the file as UTF-8"
    if isinstance(error, yaml.reader.ReaderError):
        return 1, f"isn't valid YAML: it holds the control character {chr(error.character)!r}"
    if not isinstance(error, yaml.MarkedYAMLError):
        return 1, f"isn't valid YAML: {error}"
    what = " ".join(part for part in (error.context, error.problem) if part)
    # An unclosed quote is noticed at the end of the file; where it opened is what helps.
    ends = "end of stream" in (error.problem or "")
    mark = (error.context_mark if ends else None) or error.problem_mark
    return mark.line + 1 if mark else 1, f"isn't valid YAML: {what}"


def _convert(node: yaml.Node, location: Location, document: Document, enclosing: tuple[int, ...]) -> Any:
    """The node's plain value; records the line of each value and the problems met on the way."""
    document.lines.setdefault(location, node.start_mark.line + 1)
    if id(node) in enclosing:
        document.problems.append(document.problem(location, "an alias inside the value it stands for"))
        return None
    enclosing = (*enclosing, id(node))
    if isinstance(node, yaml.MappingNode) and node.tag in _COLLECTION_TAGS:
        return _convert_mapping(node, location, document, enclosing)
    if isinstance(node, yaml.SequenceNode) and node.tag in _COLLECTION_TAGS:
        return [_convert(item, (*location, index), document, enclosing) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and node.tag in _SCALAR_TAGS:
        return node.value if node.style else _plain_scalar(node.value)
    document.problems.append(document.problem(location, f"the tag {node.tag} isn't supported; remove it"))
    return None


def _convert_mapping(
    node: yaml.MappingNode, location: Location, document: Document, enclosing: tuple[int, ...]
) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = _convert(key_node, (*location, "<key>"), Document(document.file), enclosing)
        if not isinstance(key, str):
            shown = key_node.value if isinstance(key_node, yaml.ScalarNode) else "a collection"
            message = f"the key {shown} isn't text; write it in quotes"
        elif key in mapping:
            message = f"duplicate key {key!r}; first given in line {document.lines[(*location, key)]}"
        else:
            document.lines[(*location, key)] = line
            mapping[key] = _convert(value_node, (*location, key), document, enclosing)
            continue
        document.problems.append(Problem(document.file, line, message))
    return mapping


def _plain_scalar(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
