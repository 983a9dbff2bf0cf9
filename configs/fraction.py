"""Fractions of two-level designs: which cells are run, and what cannot be told apart then."""

import re
from dataclasses import dataclass
from functools import cached_property, reduce

Term = tuple[int, ...]

_GENERATOR = re.compile(r"\s*([\w]+)\s*=\s*(-?)\s*([\w]+(?:\s*\*\s*[\w]+)+)\s*")


@dataclass(frozen=True)
class Fraction:
    """A 2^(k-p) design by p generators such as `speed = price*badge`, a leading `-` for the other half.

    With +1 for a factor's second level and -1 for its first, the generated factor is the product. Raises ValueError,
    quoting the generator, where it cannot be read, names no factor, or repeats what others imply.
    Reference: Box, Hunter & Hunter 2005, Statistics for Experimenters, chapter 6.
    """

    factors: tuple[str, ...]
    generators: tuple[str, ...]

    def __post_init__(self) -> None:
        words = self._generating
        generated = [text.split("=")[0].strip() for text in self.generators]
        for text, factor in zip(self.generators, generated, strict=True):
            if generated.count(factor) > 1:
                raise ValueError(f"generator '{text}': factor '{factor}' is generated twice")
        if len(self.defining) != 2 ** len(words) - 1 or min(map(len, self.defining), default=2) < 2:
            raise ValueError(f"generators {self.generators}: one follows from the others, or fixes a factor")

    @cached_property
    def defining(self) -> dict[Term, int]:
        """The defining relation: words that are constant over the cells run, with their sign."""
        words: dict[Term, int] = {(): 1}
        for word, sign in self._generating:
            words |= {_product(word, other): sign * each for other, each in words.items()}
        return dict(sorted(((w, s) for w, s in words.items() if w), key=lambda item: (len(item[0]), item[0])))

    @property
    def resolution(self) -> int:
        """Length of the shortest word: at III main effects are aliased with pairs, at IV pairs with pairs."""
        return min(map(len, self.defining), default=len(self.factors) + 1)

    def contains(self, levels: tuple[int, ...]) -> bool:
        """Whether a cell, by the level (0 or 1) of each factor, is run."""
        return all(_sign(word, levels) == sign for word, sign in self._generating)

    def aliases(self, term: Term) -> dict[Term, int]:
        """What is estimated together with a term, in order, with sign: the estimate is that of their signed sum."""
        found = {_product(term, word): sign for word, sign in self.defining.items()}
        return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))

    def representatives(self, terms: list[Term]) -> list[Term]:
        """The first of each alias set, without sets that are constant; `terms` are in order."""
        seen: set[Term] = set(self.defining)
        kept = []
        for term in terms:
            if term not in seen:
                kept.append(term)
                seen |= {term, *self.aliases(term)}
        return kept

    def describe(self, term: Term, sign: int = 1) -> str:
        """`price:badge`, `-price:speed`."""
        return ("-" if sign < 0 else "") + ":".join(self.factors[factor] for factor in term)

    @cached_property
    def _generating(self) -> list[tuple[Term, int]]:
        return [self._word(text) for text in self.generators]

    def _word(self, text: str) -> tuple[Term, int]:
        match = _GENERATOR.fullmatch(text)
        if match is None:
            raise ValueError(f"generator '{text}' does not read like 'speed = price*badge'")
        names = [match[1], *re.split(r"\s*\*\s*", match[3])]
        for name in names:
            if name not in self.factors:
                raise ValueError(f"generator '{text}': there is no factor '{name}'")
            if names.count(name) > 1:
                raise ValueError(f"generator '{text}': factor '{name}' is there twice")
        # ±: with a product of m factors at -1, +1 the word's own product is the sign.
        return tuple(sorted(self.factors.index(name) for name in names)), -1 if match[2] else 1


def _product(one: Term, other: Term) -> Term:
    """Squares of factors cancel."""
    return tuple(sorted(set(one) ^ set(other)))


def _sign(word: Term, levels: tuple[int, ...]) -> int:
    return reduce(lambda sign, factor: sign * (1 if levels[factor] else -1), word, 1)
