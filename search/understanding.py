"""What a query's rare words may mean in this index: abbreviations that its code uses, and names misspelt by a letter.

Learnt from the index's own vocabulary: no list of words, no language model. Nothing is ranked here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz import process
from rapidfuzz.distance import OSA

from indexer.index import View
from indexer.lexical.tokens import terms, words
from indexer.style.identifiers import split_identifier

# A word that so many units say is asked for as it is: the vocabulary is read only for rarer ones.
_RARE = 5
# An abbreviation has up to so many letters, and its word so many more.
_SHORT = 5
_LONGER = 2
_CONSONANTS = frozenset("bcdfghjklmnpqrstvwxz")
# A prefix of fewer letters abbreviates nothing for certain.
_LEAST_PREFIX = 3
# What an abbreviation's other form counts beside the word itself, and how many, the commonest first, are taken.
_FORM_WEIGHT = 0.4
_FORMS = 2
# Names this long may be misspelt in one place (insert, delete, replace, swap), longer ones in two.
_LEAST_LETTERS = 4
_TWO_EDITS = 8


@dataclass(frozen=True, slots=True)
class Name:
    """A word that names units: in how many names it stands, and its term."""

    count: int
    term: str


@dataclass(frozen=True, slots=True)
class Meant:
    """What else to ask for: `forms` with their weights, and `corrected` terms, each with the name it was taken for."""

    forms: Mapping[str, float]
    corrected: Mapping[str, str]


class Understanding:
    """The vocabulary of one generation, read when a query first needs it; safe to share between threads."""

    def __init__(self, view: View) -> None:
        self._view = view

    def meant(self, written: Mapping[str, str], *, names: bool) -> Meant:
        """Return what the words of a query may stand for; `written` are its terms, each as the query writes it.

        A word that few units say brings the names that it abbreviates or that abbreviate it. With `names`, where a
        query's words are names, one that no unit says is taken for the name nearest to it.
        """
        forms: dict[str, float] = {}
        corrected: dict[str, str] = {}
        counts = self._view.lexical.frequencies(written)
        for term, word in written.items():
            said = counts[term]
            if said >= _RARE or not word.isalpha():
                continue
            for name in self._forms(word):
                forms[self.names[name].term] = _FORM_WEIGHT
            near = None if said or not names or word in self.names else self._nearest(word)
            if near is not None:
                corrected[term] = near
        return Meant(forms, corrected)

    @cached_property
    def names(self) -> Mapping[str, Name]:
        """Every word in the name of a unit."""
        leaves = {symbol.rpartition(".")[2] for symbol in self._view.catalogue.symbols}
        counts = Counter(part.lower() for leaf in leaves for word in words(leaf) for part in split_identifier(word))
        return {part: Name(count, terms(part)[-1]) for part, count in sorted(counts.items()) if part.isalpha()}

    @cached_property
    def _by_letter(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(name[0], []).append(name)
        return found

    def _nearest(self, word: str) -> str | None:
        """Return the commonest of the names that are nearest to a word."""
        if len(word) < _LEAST_LETTERS:
            return None
        most = 1 + (len(word) >= _TWO_EDITS)
        found = process.extract(word, self._alike(word, most), scorer=OSA.distance, score_cutoff=most, limit=None)
        best = min(found, key=lambda each: (each[1], -self.names[each[0]].count, each[0]), default=None)
        return None if best is None else str(best[0])

    def _alike(self, word: str, most: int) -> list[str]:
        return [name for name in self._by_letter.get(word[0], ()) if abs(len(name) - len(word)) <= most]

    def _forms(self, word: str) -> Iterator[str]:
        """Yield the commonest names that are short for a word, or that it is short for."""
        found = [name for name in self._by_letter.get(word[:1], ()) if abbreviates(*sorted((word, name), key=len))]
        yield from sorted(found, key=lambda name: (-self.names[name].count, name))[:_FORMS]


def abbreviates(short: str, long: str) -> bool:
    """Tell whether one word may be short for another: its beginning, or its first letter and later consonants."""
    if not 2 <= len(short) <= _SHORT or len(long) < len(short) + _LONGER or not (short + long).isalpha():
        return False
    if long.startswith(short):
        return len(short) >= _LEAST_PREFIX
    if short[0] != long[0] or not set(short[1:]) <= _CONSONANTS:
        return False
    rest = iter(long[1:])
    return all(letter in rest for letter in short[1:])
