"""Exact search with numpy: the oracle of the tests, and what runs where no FAISS is installed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexer.vectors.interface import Vectors
from indexer.vectors.segments import Segment


class ExactSearcher:
    """Compares a query with every vector of a segment."""

    def __init__(self, segment: Segment) -> None:
        self._vectors = segment.vectors.astype(np.float32)

    def nearest(self, query: Vectors, limit: int) -> NDArray[np.int64]:
        """Return the positions of the `limit` nearest vectors to `query` (dim,)."""
        if limit >= len(self._vectors):
            return np.arange(len(self._vectors))
        return np.argpartition(np.vecdot(self._vectors, query), -limit)[-limit:]
