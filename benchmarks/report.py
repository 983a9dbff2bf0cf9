"""Tables in Markdown, and the sections of docs/performance.md that a benchmark rewrites."""

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every column but the first holds numbers."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def middle(values: Sequence[float], digits: int = 1) -> str:
    """The median, and from where to where the values lie when they differ."""
    if min(values) == max(values):
        return f"{values[0]:,.{0 if isinstance(values[0], int) else digits}f}"
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def section(title: str, command: str, parts: Sequence[str]) -> str:
    """A benchmark's result: the command that gives it, the machine, tables and sentences."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    machine = f"`{command}`, on {os.cpu_count()} cores and {memory:.0f} GB, load {os.getloadavg()[0]:.1f} at its end."
    return "\n\n".join([f"### {title}", machine, *parts])


def rewrite(name: str, text: str, document: Path = DOCUMENT) -> None:
    """Replace what stands between the document's markers of that name; raises ValueError without them."""
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = document.read_text(encoding="utf-8").partition(first)
    _, closed, after = rest.partition(last)
    if not (found and closed):
        raise ValueError(f"{document} has no section between {first} and {last}")
    document.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}", encoding="utf-8")
