"""What the webhook got, read the way its recipient reads it: one message a run, one block an incident."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_HEAD = re.compile(
    r"(?P<event>[A-Z]+) · (?P<severity>\w+) · (?P<subject>.+?): (?P<check>\w+)( \[(?P<segment>[^]]+)\])?( as of .+)?"
)


@dataclass(frozen=True)
class Told:
    """One incident in one message: its recipient, and what stands there."""

    recipient: str
    event: str
    severity: str
    subject: str
    check: str
    segment: str
    text: str

    def line(self, name: str) -> str:
        """What follows `name:` in the text; empty where nothing does."""
        found = re.search(rf"^{name}: (.*)$", self.text, re.MULTILINE)
        return found[1] if found else ""


def told(deliveries: Iterable[tuple[str, dict[str, Any]]]) -> list[Told]:
    """Every incident of every message; `deliveries` are (path, what was posted)."""
    return [
        one for path, posted in deliveries for one in _blocks(path.rstrip("/").rpartition("/")[2], posted["message"])
    ]


def _blocks(recipient: str, message: str) -> Iterator[Told]:
    for block in message.split("\n\n"):
        found = _HEAD.fullmatch(block.partition("\n")[0])
        if found is None:
            raise ValueError(f"a message to {recipient} holds a block of another form: {block!r}")
        words = {name: found[name] for name in ("severity", "subject", "check")}
        yield Told(recipient, found["event"].lower(), segment=found["segment"] or "all", text=block, **words)
