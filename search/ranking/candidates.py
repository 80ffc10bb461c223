"""What signals look at: the candidates of one query, as arrays of equal length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from indexer.store.interface import Head
from search.fusion import min_max

Scores = NDArray[np.float64]
Rows = NDArray[np.int64]

# Candidates whose text is read, the likeliest first: reading all would cost more than the search.
SEEDS = 24
# What the words weigh beside the vectors when the likeliest are chosen.
_WORDS_SHARE = 0.5


@dataclass(frozen=True)
class Candidates:
    """The pool of one query: heads, raw BM25 scores and cosines (0 where an index did not find the unit).

    `file_cosine` is the cosine of each candidate's file as a whole, `whole_file` tells which are all of their file.
    `rarity` holds the query's terms, each with its inverse document frequency, `names` its identifier-like words,
    lower-cased and joined. `texts` reads the texts of some candidates, by row.
    """

    heads: Sequence[Head]
    bm25: Scores
    cosine: Scores
    file_cosine: Scores
    whole_file: NDArray[np.bool_]
    rarity: Mapping[str, float]
    names: frozenset[str]
    texts: Callable[[Rows], Mapping[int, str]]

    @property
    def terms(self) -> frozenset[str]:
        """The query's terms."""
        return frozenset(self.rarity)

    @cached_property
    def files(self) -> Rows:
        """The number of each candidate's file, counted within the pool."""
        places: dict[tuple[str, str], int] = {}
        return np.array([places.setdefault((head.repository, head.path), len(places)) for head in self.heads], np.int64)

    @cached_property
    def likelihood(self) -> Scores:
        """How likely each candidate looks to both indexes together, from 0 to 1."""
        return _WORDS_SHARE * min_max(self.bm25) + (1 - _WORDS_SHARE) * min_max(self.cosine)

    @cached_property
    def seeds(self) -> Mapping[int, str]:
        """The texts of the likeliest candidates, by row, in the order of the rows."""
        likeliest = sorted(range(len(self.heads)), key=lambda row: (-self.likelihood[row], self.heads[row].id))
        rows = np.array(sorted(likeliest[:SEEDS]), dtype=np.int64)
        return dict(sorted(self.texts(rows).items()))
