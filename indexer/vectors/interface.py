"""What every vector index can do. Vectors have norm 1, so the inner product is the cosine."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]
Vectors = NDArray[np.float32]


class SegmentSearcher(Protocol):
    """One segment's vectors, searchable."""

    def nearest(self, query: Vectors, limit: int) -> NDArray[np.int64]:
        """Return positions of likely nearest vectors to `query` (dim,), at least `limit` if there are so many."""


class VectorIndex(Protocol):
    """The vectors of one generation."""

    def search(self, query: Vectors, limit: int, within: Keys | None = None) -> tuple[Keys, Vectors]:
        """Return the keys and cosines of the `limit` nearest units to `query` (dim,), nearest first."""

    def vectors(self, keys: Keys) -> Vectors:
        """Return the unit vectors (n, dim) of keys; zeros where a unit has none."""

    def __len__(self) -> int:
        """Return the number of live vectors."""
