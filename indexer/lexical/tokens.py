"""Text to terms, once for every back end: what is indexed and what is asked go through the same function.

No index and no query syntax here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain

import Stemmer

from indexer.style.identifiers import split_identifier

_WORDS = re.compile(r"\w+")
# Every ASCII character that is in no word, as a space: cutting most texts so takes a quarter of the expression's time.
_SPACES = {code: " " for code in range(128) if not _WORDS.match(chr(code))}
_SPACES_IN_LINES = {code: space for code, space in _SPACES.items() if code != ord("\n")}

# Words longer than this are hashes, keys or encoded bytes: one term each, cut to the same length.
MAX_WORD = 100
# The vocabulary kept in memory; a large repository has some 300,000 distinct words.
_CACHE_SIZE = 400_000
_NONE = frozenset[str]()


class _Vocabulary(dict[str, str]):
    """Each word's terms, joined by spaces, worked out at its first use."""

    def __init__(self) -> None:
        super().__init__()
        # A cache of its own (the second argument is its size) takes the stemmer longer than stemming does.
        self._stem = Stemmer.Stemmer("english", 0).stemWord

    def __missing__(self, word: str) -> str:
        if len(self) >= _CACHE_SIZE:
            self.clear()
        terms = self[word] = " ".join(self._terms(word))
        return terms

    def _terms(self, word: str) -> list[str]:
        if len(word) > MAX_WORD:
            return [word[:MAX_WORD].lower()]
        parts = [part.lower() for part in split_identifier(word)]
        stems = [self._stem(part) for part in parts]
        if len(parts) < 2:
            return stems
        return ["".join(parts), *stems]


class _TermsOfEach(dict[str, tuple[str, ...]]):
    """Each word's terms, divided: what is looked up for lines, not for whole texts."""

    def __missing__(self, word: str) -> tuple[str, ...]:
        if len(self) >= _CACHE_SIZE // 4:
            self.clear()
        terms = self[word] = tuple(_vocabulary()[word].split())
        return terms


@lru_cache(maxsize=1)
def _terms_of_each() -> _TermsOfEach:
    return _TermsOfEach()


@lru_cache(maxsize=1)
def _vocabulary() -> _Vocabulary:
    return _Vocabulary()


def index_terms(text: str) -> str:
    """Return the terms of a text in order, joined by single spaces.

    A word gives its stem; an identifier of several parts gives the whole, lower-cased and without
    underscores, and then the stem of each part.
    """
    return terms_of(words(text))


def terms_of(said: Iterable[str]) -> str:
    """Return the terms of words in order, joined by single spaces: `index_terms` of a text that is cut up already."""
    return " ".join(filter(None, map(_vocabulary().__getitem__, said)))


def terms(text: str) -> list[str]:
    """Return the terms of a text as a list, in order, repeated as often as they occur."""
    return index_terms(text).split()


def words(text: str) -> list[str]:
    """Return the words of a text as written: runs of letters, digits and underscores."""
    return text.translate(_SPACES).split() if text.isascii() else _WORDS.findall(text)


def terms_by_line(text: str, wanted: frozenset[str]) -> list[frozenset[str]]:
    """Return, for each line of a text, which of the terms it holds; line feeds alone end lines."""
    lines = _words_by_line(text)
    each = _terms_of_each()
    telling = {word for word in set[str]().union(*lines) if not wanted.isdisjoint(each[word])}
    found = (telling.intersection(line) for line in lines)
    return [wanted.intersection(chain.from_iterable(each[word] for word in said)) if said else _NONE for said in found]


def _words_by_line(text: str) -> list[list[str]]:
    if text.isascii():
        return [line.split() for line in text.translate(_SPACES_IN_LINES).split("\n")]
    return [_WORDS.findall(line) for line in text.split("\n")]
