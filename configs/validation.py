"""Plain data into models; pydantic's errors into problems that a YAML author understands."""

import json
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from configs.problems import Problem, closest, did_you_mean
from configs.yaml_document import Document, Location

Model = TypeVar("Model", bound=BaseModel)

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}


def validate(
    model: type[Model], document: Document, at: Location = (), subject: str = ""
) -> tuple[Model | None, list[Problem]]:
    """The value at `at` as a `model`, or None and what is wrong; `subject` begins each message.

    Validation is strict JSON validation: text is never taken for a number, nor true for 1.
    """
    data = document.data
    for step in at:
        data = data[step]
    try:
        return model.model_validate_json(json.dumps(data), strict=True), []
    except ValidationError as error:
        return None, list(_problems(error, model, document, at, subject))


def _problems(
    error: ValidationError, model: type[BaseModel], document: Document, at: Location, subject: str
) -> Iterator[Problem]:
    details = [detail for detail in error.errors(include_url=False) if not _is_consequence(detail)]
    misspelt: set[Location] = set()
    messages: dict[Location, str] = {}
    for detail in details:
        location = detail["loc"]
        parent, key = location[:-1], location[-1] if location else ""
        if detail["type"] == "extra_forbidden":
            known = _keys(model, parent)
            misspelt.update((*parent, name) for name in closest(str(key), known))
            message = f"unknown key {key!r}{did_you_mean(str(key), known, 'keys')}"
            messages[location] = _with_path(parent, message)
        elif detail["type"] == "missing":
            messages[location] = _with_path(parent, f"missing key {key!r}")
        else:
            given = _given_part((*at, *location), document)[len(at) :]
            if detail["type"] == "too_short" and given != location:  # a default too short: it has to be given
                messages[location] = _with_path(parent, f"missing key {key!r}")
                continue
            # Below what is given, pydantic names a mapping's key or each member of a union in turn.
            is_union = given != location and key != "[key]"
            messages[given] = _with_path(given, _union_message(detail) if is_union else _message(detail))
    for location, message in messages.items():
        if location not in misspelt:
            yield document.problem((*at, *location), f"{subject}: {message}" if subject else message)


def _with_path(location: Iterable[str | int], message: str) -> str:
    path = ".".join(step for step in location if isinstance(step, str))
    return f"{path}: {message}" if path else message


def _is_consequence(detail: ErrorDetails) -> bool:
    """Whether pydantic calls a list too short counting its valid entries only, or a default waits for other keys."""
    if detail["type"] == "default_factory_not_called":
        return True
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _given_part(location: Location, document: Document) -> Location:
    """The longest part of the location that is in the document."""
    while location and location not in document.lines:
        location = location[:-1]
    return location


def _union_message(detail: ErrorDetails) -> str:
    return f"expected text, a number, true, false or a list of these, got {_shown(detail)}"


def _message(detail: ErrorDetails) -> str:
    kind, context, shown = detail["type"], detail.get("ctx", {}), _shown(detail)
    if kind in _EXPECTED:
        quote = "; write it in quotes" if kind == "string_type" and isinstance(detail["input"], (int, float)) else ""
        return f"expected {_EXPECTED[kind]}, got {shown}{quote}"
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return f"must be {word} {context[key]:g}, got {shown}"
    if kind.startswith("date"):
        return f"expected a date such as 2026-10-01, got {shown}"
    if kind == "literal_error":
        values = str(context["expected"]).replace(" or ", ", ").replace("'", "")
        return f"expected one of {values}, got {shown}"
    if kind == "string_pattern_mismatch":
        return f"{shown} isn't an identifier: lower-case letters, digits and _, beginning with a letter"
    if kind == "too_short":
        entries = "entry" if context["min_length"] == 1 else "entries"
        return f"needs at least {context['min_length']} {entries}, got {context['actual_length']}"
    if kind == "value_error":
        return str(context["error"])
    plain = {"string_too_short": "must not be empty", "string_too_long": "is too long"}
    return plain.get(kind, detail["msg"])


def _shown(detail: ErrorDetails) -> str:
    value = detail["input"]
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "keys with values"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys(model: Any, location: Iterable[str | int]) -> list[str]:
    """The keys that the model at a location within `model` takes."""
    for step in location:
        if isinstance(model, type) and issubclass(model, BaseModel):
            by_key = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
            model = by_key[str(step)]
        else:
            model = [argument for argument in get_args(model) if argument is not Ellipsis][-1]
        model = _without_none(model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(argument for argument in get_args(annotation) if argument is not type(None))
    return annotation
