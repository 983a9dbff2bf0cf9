"""The validation page: a summary by source, then every figure."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.validation import analysis_of_variance, group_sequential, means, sequences, shares
from tests.validation.figures import Figure, Section

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "validation.md"

SECTIONS: tuple[Callable[[], Section], ...] = (
    means.sleep,
    means.rosetta,
    means.clusters,
    shares.proportions,
    shares.newcombe_1998,
    sequences.confidence_sequences,
    sequences.sample_ratio,
    group_sequential.section,
    shares.beta_posteriors,
    means.corrections,
    means.planning,
)
THROUGH_THE_PIPELINE: tuple[Callable[[], Section], ...] = (analysis_of_variance.section,)

INTRODUCTION = """\
# Validation

Every figure here was published by others or computed by their software; no one in this project wrote one.
`make validation` computes ours with `analysis.statistics` and writes this page; it fails where one is out of tolerance.
The figures are kept beside the checkout, not in it: without them the command says so and leaves the page as it is.
Simulated error rates are another matter, and another page.

Differences are relative unless the tolerance is absolute. Those below 1e-13 are rounding."""

ELSEWHERE = (
    "The eight effects of Box, Hunter & Hunter's 2³ pilot plant (*Statistics for Experimenters*) are compared in "
    "`tests/analysis/factorial/test_effects.py`, exactly."
)


def page(sections: Sequence[Section]) -> str:
    """The page in Markdown."""
    summary = [
        "| figures of | compared | within tolerance | largest difference / tolerance | not offered |",
        "| --- | --: | --: | --: | --: |",
        *(_summary(section) for section in sections),
    ]
    parts = [INTRODUCTION, "\n".join(summary), ELSEWHERE, *map(_section, sections)]
    return "\n\n".join(parts) + "\n"


def rows(section: Section) -> list[str]:
    """The table of a section's figures, without its header."""
    return [_row(figure) for figure in section.figures]


def _summary(section: Section) -> str:
    within = sum(figure.is_within for figure in section.figures)
    worst = max(figure.difference / figure.tolerance for figure in section.figures)
    return f"| {section.title} | {len(section.figures)} | {within} | {worst:.1g} | {len(section.missing)} |"


def _section(section: Section) -> str:
    header = ["| figure | ours | theirs | difference | tolerance |", "| --- | --: | --: | --: | --: |"]
    facts = [
        f"Source: {section.source}",
        f"Ours: {section.computed_by}",
        f"Tolerance: {section.tolerance}",
        *(f"Not compared: {one.name} – {one.reason}" for one in section.missing),
    ]
    bullets = "\n".join(f"- {fact.rstrip('.')}." for fact in facts)
    return "\n\n".join([f"## {section.title}", bullets, "\n".join([*header, *rows(section)])])


def _row(figure: Figure) -> str:
    difference = figure.difference
    shown = "0" if difference == 0 else "< 1e-13" if difference < 1e-13 else f"{difference:.0e}"
    tolerance = f"{figure.tolerance:.3g}{' absolute' if figure.is_absolute else ''}"
    mark = "" if figure.is_within else " **out**"
    return f"| {figure.name} | {figure.ours:.13g} | {figure.theirs!r} | {shown}{mark} | {tolerance} |"
