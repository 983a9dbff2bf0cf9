"""Credentials: read from the environment where they are used, and cut out of whatever is told to anybody."""

import os
import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from orchestration.remote.errors import RemoteError

HIDDEN = "***"
_MINIMUM = 3  # a shorter one is part of too many words
_PASSWORD = re.compile(r"""(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'"&]+)""", re.IGNORECASE)
_IN_URL = re.compile(r"(\w+://[^\s:/@]*):[^\s@]+@")


class UnsetVariableError(RemoteError):
    """An environment variable that a configuration names is not set."""


def from_environment(name: str) -> str:
    """The variable's value. Raises UnsetVariableError with what it should hold."""
    value = os.environ.get(name, "")
    if not value:
        raise UnsetVariableError(
            f"the environment variable {name} is not set; it holds postgresql://user:password@host/database"
        )
    return value


def passwords(url: str) -> list[str]:
    """A connection's own text and the password in it, as written and decoded."""
    found = [url]
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    if password:
        found += [password, unquote(password)]
    found += [match[2].strip("'") for match in _PASSWORD.finditer(url)]
    return found


def redacted(message: str, secrets: Iterable[str] = ()) -> str:
    """The message without these secrets, and without anything that looks like a password."""
    for secret in sorted((one for one in secrets if len(one) >= _MINIMUM), key=len, reverse=True):
        message = message.replace(secret, HIDDEN)
    return _PASSWORD.sub(rf"\1{HIDDEN}", _IN_URL.sub(rf"\1:{HIDDEN}@", message))
