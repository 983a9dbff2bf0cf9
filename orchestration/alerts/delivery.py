"""One message to one destination by Apprise: retried, limited in time, and nothing of its URL ever written."""

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

_GRACE_SECONDS = 2.0
"""How much longer than its own limits an attempt may take, for name resolution and for servers that drip."""

_SHORTEST_SECRET = 4
_TALKATIVE = ("apprise", "urllib3.connectionpool", "urllib3.util.retry", "requests_oauthlib.oauth1_session", "oauthlib")
"""Loggers that name the URL they send to."""


@dataclass(frozen=True)
class Delivered:
    """How a message fared; `error` is that of the last attempt, without any part of the URL."""

    is_delivered: bool
    attempts: int
    error: str = ""


def deliver(
    url: str | None,
    title: str,
    body: str,
    *,
    variable: str,
    attempts: int,
    timeout_seconds: float,
    pause_seconds: float,
) -> Delivered:
    """Send a message to an Apprise URL, which the environment variable `variable` holds; never raises."""
    if not url:
        return Delivered(False, 0, f"the environment variable {variable} is not set")
    error = ""
    for attempt in range(1, attempts + 1):
        if attempt > 1:
            time.sleep(pause_seconds * 2 ** (attempt - 2))
        attempted = _Attempt(url, title, body, timeout_seconds)
        attempted.start()
        attempted.join(timeout_seconds + _GRACE_SECONDS)
        if attempted.is_alive():
            error = f"no answer within {timeout_seconds:g} s"
            continue
        if attempted.is_delivered:
            return Delivered(True, attempt)
        error = _without_secrets(attempted.error, url) or "refused; check the URL"
        if attempted.is_hopeless:
            return Delivered(False, attempt, f"{variable}: {error}")
    return Delivered(False, attempts, error)


class _Attempt(threading.Thread):
    """A thread of its own: whatever a plugin does, the sender goes on after its time limit."""

    def __init__(self, url: str, title: str, body: str, timeout_seconds: float) -> None:
        super().__init__(daemon=True, name="alert delivery")
        self._message = url, title, body, timeout_seconds
        self.is_delivered = False
        self.is_hopeless = False
        self.error = ""

    def run(self) -> None:
        """Send it; what Apprise says of a failure becomes the error."""
        import apprise

        url, title, body, timeout_seconds = self._message
        with _overheard() as said:
            try:
                plugin = apprise.Apprise.instantiate(url)
                if plugin is None:
                    self.is_hopeless, self.error = True, "holds no URL that Apprise understands"
                    return
                plugin.socket_connect_timeout = plugin.socket_read_timeout = timeout_seconds
                self.is_delivered = bool(plugin.notify(body=body, title=title, body_format="text"))
            except Exception as error:  # noqa: BLE001 - a plugin's fault is a failed delivery, whatever it raises
                said.append(f"{type(error).__name__}: {error}")
        self.error = "; ".join(dict.fromkeys(said))


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Warnings of this thread's delivery; whatever it logs goes nowhere else, since it may name the URL."""
    said: list[str] = []
    thread = threading.get_ident()

    def keep_to_ourselves(record: logging.LogRecord) -> bool:
        if record.thread != thread:
            return True
        if record.levelno >= logging.WARNING and record.name == "apprise":
            said.append(record.getMessage().strip())
        return False

    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    for logger in loggers:
        logger.addFilter(keep_to_ourselves)
    try:
        yield said
    finally:
        for logger in loggers:
            logger.removeFilter(keep_to_ourselves)


def _without_secrets(text: str, url: str) -> str:
    """The text with every part of the URL but its scheme blotted out: host names may be tokens too."""
    rest = url.partition("://")[2]
    parts = {part for whole in (rest, unquote(rest)) for part in re.split(r"[/:@?&=#,]+", whole)}
    for part in sorted((part for part in parts if len(part) >= _SHORTEST_SECRET), key=len, reverse=True):
        text = re.sub(re.escape(part), "…", text, flags=re.IGNORECASE)
    return text.replace(url, "…")[:500]
