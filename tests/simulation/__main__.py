"""Simulate every study and write the table: `python -m tests.simulation --experiments 10000`."""

import argparse
import time
from pathlib import Path

from tests.simulation.studies import STUDIES
from tests.simulation.table import OUTSIDE, document, verdict


def main() -> int:
    """Parse the arguments, simulate, write; the number of faults found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", default="", help="studies whose topic or data contain this")
    arguments = parser.parse_args()
    cells = []
    for study in STUDIES:
        if arguments.only in f"{study.topic} {study.process} {study.n}":
            start = time.process_time()
            cells += study.cells(arguments.experiments)
            print(f"{time.process_time() - start:6.1f} s  {study.topic}, {study.process}, {study.n}", flush=True)
    text = document(cells, arguments.experiments)
    if arguments.output is None:
        print(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    outside = sum(verdict(cell.figure, len(cells)) == OUTSIDE for cell in cells)
    print(f"{len(cells)} figures, {outside} outside their bound without a warning or a known reason")
    return outside


if __name__ == "__main__":
    raise SystemExit(min(main(), 1))
