"""What a query's words may mean in this index: abbreviations that its code uses, and names misspelt by a letter.

Learnt from the index's own vocabulary: no list of words, no language model. Nothing is ranked here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

from indexer.index import View
from indexer.lexical.tokens import terms, words
from indexer.style.identifiers import split_identifier

# An abbreviation has up to so many letters, and its word so many more.
_SHORT = 5
_LONGER = 2
_CONSONANTS = frozenset("bcdfghjklmnpqrstvwxz")
# A prefix of fewer letters abbreviates nothing for certain.
_LEAST_PREFIX = 3
# Units that must say both, and their share of those that say the abbreviation.
_LEAST_UNITS = 3
_SHARE = 0.25
# What an abbreviation's other form counts beside the word itself; how many are taken; how many are looked up.
_WEIGHT = 0.4
_TAKEN = 2
_LOOKED_UP = 12
# A misspelt name's letters, and how many edits (insert, delete, replace, swap) are forgiven.
_LEAST_LETTERS = 4
_LETTERS_AN_EDIT = 5
_MOST_EDITS = 2
_MISSPELT_WEIGHT = 0.8
# From this share of the units on, a language is what all is written in.
_NEARLY_ALL = 0.9


@dataclass(frozen=True, slots=True)
class Meant:
    """The terms to ask for with their weights, and the names that were taken for others, as (said, meant)."""

    terms: Mapping[str, float]
    corrected: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Name:
    """A term that names units: in how many names it stands, and how it is most often written."""

    count: int
    written: str


class Understanding:
    """The vocabulary of one generation, read at first use; safe to share between threads."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._known: dict[str, tuple[tuple[str, float], ...]] = {}

    def meant(self, wanted: Mapping[str, float]) -> Meant:
        """Return a query's terms with what else they may stand for."""
        telling = {term: weight for term, weight in wanted.items() if term not in self._everywhere} or dict(wanted)
        found = dict(telling)
        corrected = []
        for term, weight in telling.items():
            if not self._says(term):
                near = self._nearest(term)
                if near:
                    corrected.append((term, self.names[near].written))
                    found[near] = max(found.get(near, 0.0), _MISSPELT_WEIGHT * weight)
                continue
            for other, share in self._forms(term):
                found[other] = max(found.get(other, 0.0), share * weight)
        return Meant(found, tuple(corrected))

    @cached_property
    def names(self) -> Mapping[str, Name]:
        """Every term in the name of a unit."""
        leaves = {symbol.rpartition(".")[2] for symbol in self._view.catalogue.symbols}
        parts = Counter(part.lower() for leaf in leaves for word in words(leaf) for part in split_identifier(word))
        found: dict[str, Name] = {}
        for part, count in sorted(parts.items(), key=lambda each: (-each[1], each[0])):
            for term in terms(part)[-1:]:
                before = found.get(term)
                found[term] = Name(count + (before.count if before else 0), before.written if before else part)
        return dict(sorted(found.items()))

    @cached_property
    def _everywhere(self) -> frozenset[str]:
        """The term of a language that nearly every unit is written in: a query that says it tells none apart."""
        catalogue = self._view.catalogue
        units = np.bincount(catalogue.file, minlength=len(catalogue.files)).tolist()
        shares: Counter[str] = Counter()
        for (_, _, language), count in zip(catalogue.files, units, strict=True):
            shares[language] += count
        most = [language for language, count in shares.most_common(1) if count >= _NEARLY_ALL * len(catalogue.keys)]
        return frozenset(term for language in most if len(language) >= _LEAST_LETTERS for term in terms(language))

    @cached_property
    def _by_letter(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(name[0], []).append(name)
        return found

    def _says(self, term: str) -> bool:
        return self._view.lexical.frequency(term) > 0 or term in self.names

    def _nearest(self, term: str) -> str | None:
        """Return the commonest of the names that are nearest to a term that no unit says."""
        if len(term) < _LEAST_LETTERS or not term.isalpha():
            return None
        most = min(_MOST_EDITS, len(term) // _LETTERS_AN_EDIT + 1)
        choices = [name for name in self._by_letter.get(term[0], ()) if abs(len(name) - len(term)) <= most]
        found = process.extract(term, choices, scorer=OSA.distance, score_cutoff=most, limit=None)
        best = min(found, key=lambda each: (each[1], -self.names[each[0]].count, each[0]), default=None)
        return None if best is None else str(best[0])

    def _forms(self, term: str) -> tuple[tuple[str, float], ...]:
        """Return the short or long forms of a term that the same units say, with their weights."""
        if term not in self._known:
            self._known[term] = tuple(self._evident(term))
        return self._known[term]

    def _evident(self, term: str) -> Iterator[tuple[str, float]]:
        pairs = [(other, self._pair(term, other)) for other in self._by_letter.get(term[:1], ())]
        likely = sorted(
            ((other, pair) for other, pair in pairs if pair), key=lambda each: (-self.names[each[0]].count, each)
        )
        shares = [(self._share(*pair), other) for other, pair in likely[:_LOOKED_UP]]
        for share, other in sorted(shares, key=lambda each: (-each[0], each[1]))[:_TAKEN]:
            if share >= _SHARE:
                yield other, _WEIGHT

    def _pair(self, term: str, other: str) -> tuple[str, str] | None:
        short, long = sorted((term, other), key=len)
        return (short, long) if abbreviates(short, long) else None

    def _share(self, short: str, long: str) -> float:
        """Return the share of the units with the abbreviation that say its word too."""
        lexical = self._view.lexical
        both, alone = lexical.count([short, long]), lexical.count([short])
        return both / alone if both >= _LEAST_UNITS else 0.0


def abbreviates(short: str, long: str) -> bool:
    """Tell whether one term may be short for another: its beginning, or its first letter and later consonants."""
    if not 2 <= len(short) <= _SHORT or len(long) < len(short) + _LONGER or not (short + long).isalpha():
        return False
    if long.startswith(short):
        return len(short) >= _LEAST_PREFIX
    if short[0] != long[0] or not set(short[1:]) <= _CONSONANTS:
        return False
    rest = iter(long[1:])
    return all(letter in rest for letter in short[1:])
