"""The request a run works on, in a journal: a run killed half-way is taken up again where it stopped.

A requested day is read whether or not the lake has it, since its files may have been corrected. The journal is how a
second start tells the days that the first one read for the same request.
"""

import hashlib
import json
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

_JOURNAL = "request.json"


class Request(BaseModel):
    """Log dates that a run was asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: date
    last: date
    token: str
    started_at: datetime


def take_up_request(state: Path, first: date, last: date) -> Request:
    """The request in the journal, if it is for these days and unfinished; else a new one.

    A journal that cannot be read costs only that days are read again.
    """
    journal = state / _JOURNAL
    try:
        request = Request.model_validate_json(journal.read_bytes())
    except (FileNotFoundError, ValidationError):
        request = None
    if request is not None and (request.first, request.last) == (first, last):
        return request
    request = Request(first=first, last=last, token=uuid.uuid4().hex, started_at=datetime.now(tz=UTC))
    state.mkdir(parents=True, exist_ok=True)
    temporary = journal.with_suffix(".tmp")
    temporary.write_text(request.model_dump_json(indent=1) + "\n", encoding="utf-8")
    temporary.replace(journal)
    return request


def finish_request(state: Path) -> None:
    """Close the journal: its days are published, and the next run of them reads them again."""
    (state / _JOURNAL).unlink(missing_ok=True)


def definition_digest(*parts: Any) -> str:
    """A digest of values that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]
