"""The validation page is what its command writes, and nothing on it is out of tolerance."""

from collections.abc import Callable

import pytest

from tests.validation.figures import FOLDER, Figure, Section, half_unit
from tests.validation.page import DOCUMENT, SECTIONS, THROUGH_THE_PIPELINE, page

needs_figures = pytest.mark.skipif(not FOLDER.exists(), reason="the reference figures are not beside this checkout")


def compare(compute: Callable[[], Section]) -> None:
    """Every figure within tolerance, and on the committed page as it is: ours may differ in its last digits."""
    section = compute()
    assert [figure for figure in section.figures if not figure.is_within] == []
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"## {section.title}\n")[2].partition("\n## ")[0]
    assert section.source.rstrip(".") in text
    on_page = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    names, theirs = [row[0] for row in on_page], [float(row[2]) for row in on_page]
    assert names == [figure.name for figure in section.figures]
    assert theirs == [figure.theirs for figure in section.figures]
    for row, figure in zip(on_page, section.figures, strict=True):
        shown = Figure(figure.name, float(row[1]), figure.theirs, figure.tolerance + 1e-12, figure.is_absolute)
        assert shown.is_within, row


@needs_figures
@pytest.mark.parametrize("compute", SECTIONS, ids=lambda compute: compute.__name__)
def test_every_figure_is_within_tolerance_and_on_the_page(compute: Callable[[], Section]) -> None:
    compare(compute)


@pytest.mark.slow
@needs_figures
def test_so_are_the_figures_that_go_through_the_pipeline() -> None:
    for compute in THROUGH_THE_PIPELINE:
        compare(compute)


def test_a_figure_out_of_tolerance_is_marked_and_counted() -> None:
    figures = (
        Figure("within", 1.0004, 1.0, half_unit(3), True),
        Figure("beyond", 1.0006, 1.0, half_unit(3), True),
        Figure("unknown", float("nan"), 1.0, 1.0),
    )
    text = page([Section("Test", "a book", "`f`", "half a unit", figures)])
    assert [figure.is_within for figure in figures] == [True, False, False]
    assert "| Test | 3 | 1 |" in text
    assert "| beyond | 1.0006 | 1.0 | 6e-04 **out** | 0.000505 absolute |" in text


def test_relative_differences_and_digits() -> None:
    assert Figure("", 101.0, 100.0, 1.0).difference == pytest.approx(0.01)
    assert Figure("", 101.0, 100.0, 1.0).log_relative_error == pytest.approx(2.0)
    assert Figure("", 0.5, 0.0, 1.0).difference == 0.5
    assert Figure("", 3.0, 3.0, 1.0).log_relative_error == 15.0
