"""Growth: the same at 1/8, 1/4, 1/2 and 1 of the rows, and the exponent of the law that fits best."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.commands import run_wide, wide_seconds
from benchmarks.daily import run_daily
from benchmarks.full_refresh import run_full_refresh
from benchmarks.report import table

SHARES = (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(1))
HISTORY_DAYS = 30
WIDE_EXPERIMENTS = 500


def run_growth(folder: Path, scale: Fraction, runs: int, memory_limit: str) -> dict[str, list[float]]:
    """Median seconds of each command at each of `SHARES` of `scale`."""
    seconds: dict[str, list[float]] = {}
    for share in SHARES:
        name = f"{(share * scale).numerator}_of_{(share * scale).denominator}"
        full = run_full_refresh(folder / f"full_refresh_{name}", share * scale, runs, memory_limit)
        wide = [run_wide("--experiments", str(round(WIDE_EXPERIMENTS * share * scale))) for _ in range(runs)]
        (day,) = run_daily(folder / f"daily_{name}", share * scale, (HISTORY_DAYS,), runs, memory_limit)
        medians = {
            "floor": median(run.seconds for run in full.floor),
            "full refresh": median(run.process.seconds for run in full.pipeline),
            f"next day after {HISTORY_DAYS}": day.next_day_seconds,
            f"full refresh of {HISTORY_DAYS} days, daily scenario": day.full_refresh.process.seconds,
            "wide: from moments to decisions": median(wide_seconds(run) for run in wide),
        }
        for command, taken in medians.items():
            seconds.setdefault(command, []).append(taken)
    return seconds


def exponent(shares: Sequence[Fraction], seconds: Sequence[float]) -> float:
    """The b of seconds = a · rows^b, by least squares on logarithms."""
    return float(np.polyfit(np.log([float(share) for share in shares]), np.log(seconds), 1)[0])


def describe_growth(seconds: dict[str, list[float]]) -> list[str]:
    """A row for each command: seconds at each share of the rows, the fitted exponent, and that of the last doubling."""
    rows = [
        [
            command,
            *[f"{one:.1f}" for one in taken],
            f"{exponent(SHARES, taken):.2f}",
            f"{exponent(SHARES[-2:], taken[-2:]):.2f}",
        ]
        for command, taken in seconds.items()
    ]
    header = ["median seconds", *[str(share) for share in SHARES], "exponent", "of the last doubling"]
    return [table(header, rows)]
