"""Measuring, fitting and reporting."""

import sys
from fractions import Fraction
from pathlib import Path

import pytest

from analysis.health import CHECKS
from benchmarks.growth import SHARES, exponent
from benchmarks.process import ProcessError, timed_process
from benchmarks.report import middle, rewrite, table
from benchmarks.wide import time_health, time_wide


def test_a_process_is_measured_with_its_children() -> None:
    child = "x = bytearray(2_000_000_000); print('done')"
    run = timed_process(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]
    )

    assert run.output == "done\n"
    assert run.seconds > 0.01
    assert run.cpu_seconds > 0.01
    assert 1900 < run.peak_mb < 2100


def test_a_failing_process_says_why() -> None:
    with pytest.raises(ProcessError, match=r"(?s)exit status 3.*no such log"):
        timed_process([sys.executable, "-c", "import sys; print('no such log', file=sys.stderr); sys.exit(3)"])


def test_the_exponent_of_a_power_law_is_found() -> None:
    assert exponent(SHARES, [float(7 * share**2) for share in SHARES]) == pytest.approx(2)
    assert exponent([Fraction(1, 2), Fraction(1)], [3.0, 3.0]) == pytest.approx(0)


def test_a_section_is_rewritten_and_the_rest_stays(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("before\n<!-- bench -->\nold\n<!-- end of bench -->\nafter\n")

    rewrite("bench", table(["step", "s"], [["sum", middle([3.0, 1.0, 2.0])]]), document)

    written = "| step | s |\n| --- | --: |\n| sum | 2.0 (1.0–3.0) |"
    assert document.read_text() == f"before\n<!-- bench -->\n\n{written}\n\n<!-- end of bench -->\nafter\n"
    with pytest.raises(ValueError, match="no section between <!-- other -->"):
        rewrite("other", "", document)


ONE_ROW_CHECKS = len(CHECKS) - 5
"""All but those by segment, here of two values, by epoch, of exclusion groups, switchbacks and logged propensities."""


def test_the_wide_scorecard_and_the_health_checks_run_small() -> None:
    assert time_wide(n_experiments=3, n_metrics=5, segments=2)["comparisons"] == 3 * 5 * (2 + 1)
    assert time_health(n_experiments=2, segments=2, days=3)["rows"] == 2 * 3 * (ONE_ROW_CHECKS + 2)
