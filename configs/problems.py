"""What is wrong with a configuration, and where."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One error: `file` is relative to the configuration folder, `line` counts from 1."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class ConfigError(ValueError):
    """A configuration that can't be used; `problems` lists every error of every file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


def closest(name: str, known: Iterable[str]) -> list[str]:
    """The known name that `name` was probably meant to be, if any."""
    return difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str], noun: str) -> str:
    """What follows "unknown …": the closest known name, or all of them when none is close."""
    known = sorted(known)
    for suggestion in closest(name, known):
        return f"; did you mean {suggestion!r}?"
    return f"; known {noun}: {', '.join(known)}" if known else f"; there are no {noun}"
