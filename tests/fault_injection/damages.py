"""What can happen to the file of one log date: every function takes its path, or makes one that does."""

import gzip
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

Damages = Callable[[Path], None]


def removed(path: Path) -> None:
    """The file never came."""
    path.unlink()


def cut_short(path: Path) -> None:
    """The second half of the bytes is missing."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def gzipped_and_cut_short(path: Path) -> None:
    """Packed, and the second half of the bytes is missing."""
    path.write_bytes(gzip.compress(path.read_bytes()))
    cut_short(path)


def emptied(path: Path) -> None:
    """A file of no bytes."""
    path.write_bytes(b"")


def header_only(path: Path) -> None:
    """A CSV file without rows."""
    path.write_text(path.read_text(encoding="utf-8").partition("\n")[0] + "\n", encoding="utf-8")


def not_utf8(path: Path) -> None:
    """Text in another encoding."""
    path.write_text(path.read_text(encoding="utf-8").replace("web", "wäb"), encoding="latin-1")


def with_semicolons(path: Path) -> None:
    """CSV with another separator."""
    path.write_text(path.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")


def of_the_day_before(path: Path) -> None:
    """The file of the day before, delivered once more."""
    before = date.fromisoformat(path.stem) - timedelta(days=1)
    path.write_bytes(path.with_name(f"{before}{path.suffix}").read_bytes())


def lines_broken(share: float) -> Damages:
    """Lines that are no JSON."""

    def damages(path: Path) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        every = round(1 / share)
        broken = [line[:-5] if number % every == 0 else line for number, line in enumerate(lines)]
        path.write_text("\n".join(broken) + "\n", encoding="utf-8")

    return damages


def texts_in(column: str, share: float, text: str) -> Damages:
    """A text in the place of values of a CSV column."""

    def damages(path: Path) -> None:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        frame[column] = frame[column].mask(_some(frame, share), text)
        frame.to_csv(path, index=False)

    return damages


def changed(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Damages:
    """Other rows in a Parquet file."""

    def damages(path: Path) -> None:
        change(pd.read_parquet(path)).to_parquet(path, index=False)

    return damages


def without_column(column: str) -> Damages:
    """A column that the log used to have."""
    return changed(lambda frame: frame.drop(columns=column))


def column_emptied(column: str, share: float = 1.0) -> Damages:
    """Values that are missing."""
    return changed(lambda frame: frame.assign(**{column: frame[column].mask(_some(frame, share), None)}))


def column_of(column: str, value: str) -> Damages:
    """One value everywhere."""
    return changed(lambda frame: frame.assign(**{column: value}))


def cut_at_noon(path: Path) -> None:
    """Nothing was written after noon."""
    changed(lambda frame: frame[frame["at"].dt.hour < 12])(path)


def without_event(name: str) -> Damages:
    """One event is not logged any more."""
    return changed(lambda frame: frame[frame["name"] != name])


def rows_twice(share: float) -> Damages:
    """The same rows, some of them twice."""
    return changed(lambda frame: pd.concat([frame, frame[_some(frame, share)]]))


def as_other_rows(times: int) -> Damages:
    """Every row so many times, each time with an id of its own."""
    return changed(lambda frame: pd.concat([frame.assign(id=frame["id"] + f"-{copy}") for copy in range(times)]))


def rows_moved(share: float, days: int) -> Damages:
    """Rows whose instant lies so many days from the log date."""
    return changed(
        lambda frame: frame.assign(at=frame["at"].mask(_some(frame, share), frame["at"] + pd.Timedelta(days=days)))
    )


def both(*all_damages: Damages) -> Damages:
    """One after the other."""

    def damages(path: Path) -> None:
        for one in all_damages:
            one(path)

    return damages


def _some(frame: pd.DataFrame, share: float) -> np.ndarray:
    """A share of the rows, spread evenly."""
    return np.floor(np.arange(1, len(frame) + 1) * share) > np.floor(np.arange(len(frame)) * share)
