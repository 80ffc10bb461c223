"""What signals look at: the candidates of one query, as arrays of equal length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from indexer.encoder.words import WordVectors
from indexer.lexical.tokens import terms
from indexer.store.interface import Head
from search.fusion import min_max

Scores = NDArray[np.float64]
Rows = NDArray[np.int64]

# Candidates whose text is read, the likeliest first: reading all would cost more than the search.
SEEDS = 32
# Characters looked at of one: some 50 lines.
_SEED_CHARS = 2_000
# What the words weigh beside the vectors when the likeliest are chosen.
_WORDS_SHARE = 0.5


@dataclass(frozen=True)
class Candidates:
    """The pool of one query: heads, raw BM25 scores (0 where BM25 did not find the unit) and cosines.

    `file_cosine` is the cosine of each candidate's file. `rarity` holds the terms that the query says, each with its
    inverse document frequency, `names` its identifier-like words, lower-cased and joined. `texts` reads the texts of
    some candidates, by row; `first_look` scores all of them by what can be told without their texts.

    `words` are the words that the query says, in lower case, identifiers divided, each with its weight;
    `word_vectors` compares them, None where meaning does not count. `sequence` are the query's terms in the order in
    which it says them.
    """

    heads: Sequence[Head]
    bm25: Scores
    cosine: Scores
    file_cosine: Scores
    rarity: Mapping[str, float]
    names: frozenset[str]
    texts: Callable[[Rows], Mapping[int, str]]
    first_look: Callable[[Candidates], Scores] | None = None
    words: Mapping[str, float] = field(default_factory=dict)
    word_vectors: WordVectors | None = None
    sequence: Sequence[str] = ()

    @cached_property
    def known(self) -> dict[str, Scores]:
        """The signals that were worked out, by name: the first look and the whole model share most of them."""
        return {}

    @cached_property
    def whole_file(self) -> NDArray[np.bool_]:
        """Which candidates are all of their file."""
        return np.array([head.file_units == 1 for head in self.heads], dtype=bool)

    @property
    def terms(self) -> frozenset[str]:
        """The query's terms."""
        return frozenset(self.rarity)

    @cached_property
    def files(self) -> Rows:
        """The number of each candidate's file, counted within the pool."""
        return file_numbers(self.heads)

    @cached_property
    def likelihood(self) -> Scores:
        """How likely each candidate looks before any text is read; the greater the likelier."""
        if self.first_look is not None:
            return self.first_look(self)
        return _WORDS_SHARE * min_max(self.bm25) + (1 - _WORDS_SHARE) * min_max(self.cosine)

    @cached_property
    def seeds(self) -> Mapping[int, str]:
        """The texts of the likeliest candidates, by row, in the order of the rows; of a huge one its beginning."""
        likeliest = best_first(self.likelihood, self.heads)
        rows = np.array(sorted(likeliest[:SEEDS]), dtype=np.int64)
        return {row: text[:_SEED_CHARS] for row, text in sorted(self.texts(rows).items())}

    @cached_property
    def seed_terms(self) -> Mapping[int, list[str]]:
        """The terms of the seeds' texts, in order."""
        return {row: terms(text) for row, text in self.seeds.items()}

    def by_path(self, value: Callable[[str], float]) -> Scores:
        """Return what follows from each candidate's path, worked out once for all units of a file."""
        values = {path: value(path) for path in {head.path for head in self.heads}}
        return np.array([values[head.path] for head in self.heads])


def best_first(scores: Scores, heads: Sequence[Head]) -> list[int]:
    """Return the rows in falling order of score; ties are broken by unit id."""
    keyed = zip((-scores).tolist(), [head.id for head in heads], range(len(heads)), strict=True)
    return [row for _, _, row in sorted(keyed)]


def file_numbers(heads: Sequence[Head]) -> Rows:
    """Return the number of each unit's file, counted in the order in which files first come."""
    places: dict[tuple[str, str], int] = {}
    return np.array([places.setdefault((head.repository, head.path), len(places)) for head in heads], dtype=np.int64)
