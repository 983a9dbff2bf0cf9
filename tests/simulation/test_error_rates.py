"""The simulation in short form, seeded: every figure inside its bound, or failing where its rows say so."""

from pathlib import Path

import numpy as np
import pytest

from tests.simulation.sequential import NORMAL, peeked
from tests.simulation.studies import STUDIES
from tests.simulation.study import Study
from tests.simulation.table import OUTSIDE, Kind, bound, figure, is_inside, verdict

EXPERIMENTS = 400
"""Of each study. A rate of .05 then lies between .0075 and .11 with 99.9 % for some 600 figures together."""

PAGE = Path(__file__).parents[2] / "docs" / "error_rates.md"
SHORT = [study for study in STUDIES if study.is_short]


@pytest.fixture(scope="module")
def cells() -> int:
    """How many figures share the error of 1 in 1,000, near enough: bounds move little with it."""
    return 10 * len(STUDIES)


@pytest.mark.parametrize("study", SHORT, ids=lambda study: f"{study.topic}-{study.process}-{study.n}")
def test_a_figure_is_inside_its_bound_or_its_failure_is_announced(study: Study, cells: int) -> None:
    figures = [cell.figure for cell in study.cells(EXPERIMENTS)]
    outside = [(each.method, each.question, each.rate) for each in figures if verdict(each, cells) == OUTSIDE]
    assert figures
    assert not outside


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: f"{study.topic}-{study.process}-{study.n}")
def test_the_same_with_2_000_experiments(study: Study, cells: int) -> None:
    assert OUTSIDE not in [verdict(cell.figure, cells) for cell in study.cells(2_000)]


def test_a_study_gives_the_same_figures_again() -> None:
    study = SHORT[0]
    assert study.cells(50) == study.cells(50)
    assert len({each.seed for each in STUDIES}) == len(STUDIES)


def test_a_bound_is_the_binomial_one() -> None:
    """One figure of .05, 99.9 %: [.0430, .0573] at 10,000 runs, the band of a single figure."""
    assert bound(Kind.NOMINAL, 0.05, 10_000, 1) == pytest.approx((0.043, 0.0573), abs=1e-4)
    low, high = bound(Kind.NOMINAL, 0.05, 10_000, 300)
    assert low < 0.043 and high > 0.0573
    assert bound(Kind.AT_MOST, 0.05, 10_000, 300) == (0.0, high)
    assert bound(Kind.AT_LEAST, 0.05, 10_000, 300) == (low, 1.0)
    assert bound(Kind.POWER, 0.8, 10_000_000, 300) == pytest.approx((0.78, 0.82))


def test_a_method_that_errs_is_found() -> None:
    """Welch's test asked on each of 28 days rejects in more than a quarter of A/A experiments."""
    daily = next(cell.figure for cell in peeked(NORMAL, 100, 100).cells(EXPERIMENTS) if "any" in cell.figure.question)
    assert daily.rate > 0.2
    assert not is_inside(daily, 1_000)


def test_an_unannounced_failure_is_outside() -> None:
    happened = np.arange(1_000) < 100
    assert verdict(figure("m", "q", happened, 0.05), 10) == OUTSIDE
    assert verdict(figure("m", "q", happened, 0.05, warned=~happened), 10) == "fails, warned"
    assert verdict(figure("m", "q", happened, 0.05, known="why"), 10) == "fails: why"
    assert verdict(figure("m", "q", happened, 0.1), 10) == "inside"


def test_the_page_is_of_the_full_form_of_every_study_and_without_faults() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "simulates 10,000 experiments" in page
    assert OUTSIDE not in [row.split(" | ")[-1].removesuffix(" |") for row in page.splitlines()]
    assert [study.process for study in STUDIES if f"| {study.process} | {study.n} | {study.seed} |" not in page] == []
