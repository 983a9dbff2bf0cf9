"""The benchmarks' command line: `python -m benchmarks full|daily|backfill|wide|growth|statistics`.

Projects are made under `--folder` and kept for the next time; states are removed.
"""

import argparse
import json
from fractions import Fraction
from pathlib import Path

from benchmarks.backfill import describe_backfill, run_backfill
from benchmarks.commands import run_wide, wide_seconds
from benchmarks.daily import describe_daily, run_daily
from benchmarks.full_refresh import describe_full_refresh, run_full_refresh
from benchmarks.growth import describe_growth, run_growth
from benchmarks.process import ProcessRun
from benchmarks.report import middle, rewrite, section, table
from benchmarks.statistics import describe_statistics, run_statistics

TITLES = {
    "full": "Full refresh: 10 M exposures of 8 M units, 50 M events, 15 metrics, 14 as-of dates",
    "daily": "Daily: 1 M events a day, 20 concurrent experiments, 20 metrics, 5 segments",
    "backfill": "Backfill: a year of the demo's shop",
    "wide": "Wide: from moments to decisions",
    "growth": "Growth in rows",
    "statistics": "Statistics: comparisons a second on one core",
}


def main() -> None:
    """Run one benchmark, print its result, and with `--write` put it into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("benchmark", choices=TITLES)
    parser.add_argument("--runs", type=int, default=5, help="of each command, in turn")
    parser.add_argument("--scale", type=Fraction, default=Fraction(1), help="share of the rows and units, such as 1/8")
    parser.add_argument("--days", type=int, nargs="+", default=[5, 30, 60], help="daily: log dates of history")
    parser.add_argument("--memory-limit", default="700MB", help="DuckDB's, of the pipeline and of the floor")
    parser.add_argument("--folder", type=Path, default=Path("var/benchmarks"), help="for projects and states")
    parser.add_argument("--write", action="store_true", help="rewrite the section of docs/performance.md")
    options = parser.parse_args()
    is_whole = options.scale == 1
    runs = "" if options.benchmark == "backfill" else f" RUNS={options.runs}"
    command = f"make bench-{options.benchmark}{runs}{'' if is_whole else f' SCALE={options.scale}'}"
    title = TITLES[options.benchmark] + ("" if is_whole else f", at {options.scale} of the rows")
    text = section(title, command, _parts(options))
    print(text)
    if options.write:
        rewrite(f"bench-{options.benchmark}", text)


def _parts(options: argparse.Namespace) -> list[str]:
    folder, scale, runs, limit = options.folder.resolve(), options.scale, options.runs, options.memory_limit
    named = f"{scale.numerator}_of_{scale.denominator}"
    if options.benchmark == "full":
        return describe_full_refresh(run_full_refresh(folder / f"full_refresh_{named}", scale, runs, limit))
    if options.benchmark == "daily":
        return describe_daily(run_daily(folder / f"daily_{named}", scale, tuple(options.days), runs, limit))
    if options.benchmark == "backfill":
        return describe_backfill(run_backfill(folder / "backfill", limit))
    if options.benchmark == "growth":
        return describe_growth(run_growth(folder, scale, runs, limit))
    if options.benchmark == "statistics":
        return describe_statistics(run_statistics(runs))
    scored, checked = [], []
    for _ in range(runs):
        scored.append(run_wide())
        checked.append(run_wide("--health"))
    return [
        _wide_table("500 experiments × 50 metrics × (10 segments and everyone)", scored),
        _wide_table("200 experiments × 10 segments × 60 as-of dates", checked),
    ]


def _wide_table(title: str, runs: list[ProcessRun]) -> str:
    figures = [json.loads(run.output) for run in runs]
    rows = [[name, middle([one[name] for one in figures])] for name in figures[0]]
    totals = {"from moments on, s": map(wide_seconds, runs), "whole process, s": (run.seconds for run in runs)}
    rows += [[f"**{name}**", middle(list(values))] for name, values in totals.items()]
    return table([title, "median (range)"], rows)


if __name__ == "__main__":
    main()
