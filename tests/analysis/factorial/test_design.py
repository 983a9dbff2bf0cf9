"""Factors expanded to variants, and fractions with their aliases, against textbook designs."""

import pytest

from analysis.factorial.design import Design, Factor
from configs.fraction import Fraction

PRICE = Factor("price", ("low", "high"))
BADGE = Factor("badge", ("off", "on", "animated"))


def letters(generators: str, k: int) -> Fraction:
    """A fraction in the notation of textbooks: `E=ABCD F=-AB`."""
    written = []
    for each in generators.split():
        left, right = each.split("=")
        written.append(f"{left} = {'-' if right[0] == '-' else ''}{'*'.join(right.lstrip('-'))}")
    return Fraction(tuple("ABCDEFGHIJK"[:k]), tuple(written))


def words(fraction: Fraction) -> set[str]:
    return {("-" if s < 0 else "") + "".join(fraction.factors[f] for f in w) for w, s in fraction.defining.items()}


def test_factors_expand_to_variants() -> None:
    cells = Design((PRICE, BADGE)).cells
    assert [cell.variant_id for cell in cells] == [
        "low-off",
        "low-on",
        "low-animated",
        "high-off",
        "high-on",
        "high-animated",
    ]
    assert [cell.weight for cell in cells] == pytest.approx([1 / 6] * 6)
    assert [cell.is_baseline for cell in cells] == [True] + [False] * 5


def test_levels_may_weigh_differently() -> None:
    cells = Design((Factor("price", ("low", "high"), (3, 1)), Factor("badge", ("off", "on"), (1, 1)))).cells
    assert [cell.weight for cell in cells] == pytest.approx([0.375, 0.375, 0.125, 0.125])


def test_terms_by_order() -> None:
    design = Design((PRICE, BADGE, Factor("speed", ("slow", "fast"))))
    names = [design.name(term) for term in design.terms()]
    assert names == ["price", "badge", "speed", "price:badge", "price:speed", "badge:speed", "price:badge:speed"]
    assert len(design.terms(2)) == 6


@pytest.mark.parametrize(
    ("k", "generators", "resolution"),
    [
        (3, "C=AB", 3),
        (4, "D=ABC", 4),
        (5, "E=ABCD", 5),
        (5, "D=AB E=AC", 3),
        (6, "F=ABCDE", 6),
        (6, "E=ABC F=BCD", 4),
        (6, "D=AB E=AC F=BC", 3),
        (7, "G=ABCDEF", 7),
        (7, "F=ABCD G=ABDE", 4),
        (7, "E=ABC F=BCD G=ACD", 4),
        (7, "D=AB E=AC F=BC G=ABC", 3),
        (8, "G=ABCD H=ABEF", 5),
        (8, "F=ABC G=ABD H=BCDE", 4),
        (8, "E=BCD F=ACD G=ABC H=ABD", 4),
        (9, "H=ACDFG I=BCEFG", 6),
        (9, "F=BCDE G=ACDE H=ABDE I=ABCE", 4),
        (9, "E=ABC F=BCD G=ACD H=ABD I=ABCD", 3),
        (11, "E=ABC F=BCD G=ACD H=ABD I=ABCD J=AB K=AC", 3),
    ],
)
def test_resolutions_of_the_textbook(k: int, generators: str, resolution: int) -> None:
    """Box, Hunter & Hunter's table of two-level fractions, as in the NIST/SEMATECH e-Handbook, 5.3.3.4.7."""
    fraction = letters(generators, k)
    assert fraction.resolution == resolution
    two = tuple(Factor(name, ("-", "+")) for name in fraction.factors)
    assert len(Design(two, fraction).cells) == 2 ** (k - len(fraction.generators))


def test_the_defining_relation_of_a_2_7_4() -> None:
    """Box, Hunter & Hunter 2005, chapter 6: seven words of three letters, seven of four, and all of them."""
    assert words(letters("D=AB E=AC F=BC G=ABC", 7)) == {
        *("ABD", "ACE", "BCF", "CDG", "BEG", "AFG", "DEF"),
        *("ABCG", "BCDE", "ACDF", "ABEF", "ADEG", "BDFG", "CEFG"),
        "ABCDEFG",
    }


def test_the_other_half_has_the_other_sign() -> None:
    plus, minus = letters("C=AB", 3), letters("C=-AB", 3)
    two = tuple(Factor(name, ("-", "+")) for name in "ABC")
    here, there = ({cell.levels for cell in Design(two, fraction).cells} for fraction in (plus, minus))
    assert here | there == {cell.levels for cell in Design(two).cells}
    assert not here & there
    assert here == {(0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 1, 1)}
    assert minus.aliases((0,)) == {(1, 2): -1}
    assert minus.describe((1, 2), -1) == "-B:C"


def test_each_alias_set_is_estimated_once() -> None:
    fraction = letters("D=ABC", 4)
    design = Design(tuple(Factor(name, ("-", "+")) for name in "ABCD"), fraction)
    assert [design.name(term) for term in design.terms()] == ["A", "B", "C", "D", "A:B", "A:C", "A:D"]
    assert {fraction.describe(t) for t in fraction.aliases((0, 1))} == {"C:D"}
    assert {fraction.describe(t) for t in fraction.aliases((0,))} == {"B:C:D"}


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ((), "at least one factor"),
        ((PRICE, PRICE), "'price' is there twice"),
        ((Factor("price", ("low",)),), "'price' has fewer than two levels"),
        ((Factor("price", ("low", "low")),), "'price' has a level twice"),
        ((Factor("price", ("low", "high"), (1.0,)),), "'price' needs one positive weight"),
        ((Factor("price", ("low", "high"), (1.0, 0.0)),), "'price' needs one positive weight"),
    ],
)
def test_a_design_that_cannot_be_is_refused_by_name(factors: tuple[Factor, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Design(factors)


@pytest.mark.parametrize(
    ("generators", "message"),
    [
        (("C = A",), "does not read like"),
        (("C = A*X",), "there is no factor 'X'"),
        (("C = A*A",), "'A' is there twice"),
        (("C = A*C",), "'C' is there twice"),
        (("C = A*B", "C = A*D"), "'C' is generated twice"),
        (("C = A*B", "A = B*C"), "one follows from the others"),
        (("C = A*B", "D = A*B", "B = A*D"), "one follows from the others"),
    ],
)
def test_generators_that_cannot_be_are_refused_in_their_words(generators: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fraction(("A", "B", "C", "D"), generators)


def test_a_fraction_needs_two_levels_of_equal_weight_and_its_own_factors() -> None:
    fraction = Fraction(("price", "badge"), ())
    with pytest.raises(ValueError, match="'badge' needs two levels of equal weight"):
        Design((PRICE, BADGE), fraction)
    with pytest.raises(ValueError, match="not of the design's factors"):
        Design((PRICE, Factor("speed", ("slow", "fast"))), fraction)
