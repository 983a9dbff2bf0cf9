"""What the validation page is made of: reference figures beside ours, in sections by source."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "reference"
"""Figures that no one in this project wrote; they are kept beside the checkout, not in it."""


@dataclass(frozen=True)
class Figure:
    """One figure of a source and ours. The tolerance is relative, or absolute where `is_absolute`."""

    name: str
    ours: float
    theirs: float
    tolerance: float
    is_absolute: bool = False

    @property
    def difference(self) -> float:
        """In the tolerance's measure; relative to 0 it is absolute."""
        if self.ours == self.theirs:
            return 0.0
        gap = abs(self.ours - self.theirs)
        return gap if self.is_absolute or self.theirs == 0 else gap / abs(self.theirs)

    @property
    def is_within(self) -> bool:
        """A NaN is not."""
        return self.difference <= self.tolerance

    @property
    def log_relative_error(self) -> float:
        """Digits that agree, 15 at most."""
        return 15.0 if self.difference == 0 else min(15.0, -math.log10(self.difference))


@dataclass(frozen=True)
class Missing:
    """A figure of a source that nothing here computes, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Section:
    """The figures of one source; `computed_by` names the functions, `tolerance` says what is allowed and why."""

    title: str
    source: str
    computed_by: str
    tolerance: str
    figures: tuple[Figure, ...]
    missing: tuple[Missing, ...] = ()


def read(name: str) -> dict[str, Any]:
    """A file of reference figures."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def half_unit(decimals: int) -> float:
    """Half a unit of the last printed decimal; a hundredth more, as what is printed is no exact double."""
    return 0.505 * 10.0**-decimals


def figures(
    name: str, ours: Iterable[float], theirs: Iterable[float], tolerance: float, *, is_absolute: bool = False
) -> list[Figure]:
    """A list's figures, numbered from 1."""
    pairs = enumerate(zip(ours, theirs, strict=True), start=1)
    return [Figure(f"{name}, {i}", float(a), float(b), tolerance, is_absolute) for i, (a, b) in pairs]
