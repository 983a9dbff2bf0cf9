"""Write a scenario's project: configuration and logs, the same on every call.

`python -m benchmarks.generate full_refresh --scale 1/8 --out DIR`
`python -m benchmarks.generate daily --days 30 --scale 1/8 --out DIR`
"""

import argparse
import hashlib
from fractions import Fraction
from pathlib import Path

from benchmarks.logs import write_logs
from benchmarks.scenarios import Scenario, daily, full_refresh, write_configs

DEFAULT_DAYS = 30
_FINISHED = "finished"


def generate(scenario: Scenario, folder: Path) -> Path:
    """Write `scenario` to `folder` (configs/ and data/) unless it is there already, and return the folder."""
    finished = folder / _FINISHED
    digest = _digest(scenario)
    if not (finished.exists() and finished.read_text() == digest):
        finished.unlink(missing_ok=True)
        write_configs(scenario, folder / "configs")
        write_logs(scenario, folder / "data")
        finished.write_text(digest)
    return folder


def _digest(scenario: Scenario) -> str:
    """Of the scenario and of everything that writes it."""
    here = Path(__file__).parent
    files = [here / "scenarios.py", here / "logs.py", *sorted(here.glob("sql/*.sql")), *sorted(here.glob("metrics/*"))]
    return hashlib.sha256(repr(scenario).encode() + b"".join(path.read_bytes() for path in files)).hexdigest()


def parse_scenario(name: str, scale: Fraction, days: int) -> Scenario:
    """The scenario of that name."""
    return full_refresh(scale) if name == "full_refresh" else daily(scale, days)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description="Write a benchmark's project.")
    parser.add_argument("scenario", choices=("full_refresh", "daily"))
    parser.add_argument("--scale", type=Fraction, default=Fraction(1), help="share of the rows and units, such as 1/8")
    parser.add_argument("--days", type=int, default=DEFAULT_DAYS, help="daily: log dates of history")
    parser.add_argument("--out", type=Path, required=True, help="folder for configs/ and data/")
    options = parser.parse_args()
    generate(parse_scenario(options.scenario, options.scale, options.days), options.out)


if __name__ == "__main__":
    main()
