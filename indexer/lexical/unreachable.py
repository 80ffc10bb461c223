"""A BM25 index that nobody can ask just now: what can be said of words without it. Finds nothing by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.lexical.interface import Ranked


class Unreachable:
    """Stands for an index of `documents` units while its server does not answer; `keys` are theirs, ascending."""

    def __init__(self, documents: int, keys: Callable[[], NDArray[np.int64]]) -> None:
        self._documents, self._keys = documents, keys

    def __len__(self) -> int:
        """Return the number of units."""
        return self._documents

    def search(self, terms: Mapping[str, float], limit: int, within: NDArray[np.int64] | None = None) -> Ranked:
        """Return nothing: which units hold a term is what is not known."""
        del terms, limit, within
        return Ranked(np.empty(0, np.int64), np.empty(0, np.float32))

    def containing(self, terms: Sequence[str]) -> NDArray[np.int64]:
        """Return all keys: any may hold the terms, and who asks reads the texts."""
        del terms
        return self._keys()

    def frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Return that every unit says every term: none is taken for rarer than another, or for misspelt."""
        return dict.fromkeys(terms, self._documents)
