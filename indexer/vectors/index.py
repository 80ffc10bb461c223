"""The vectors of a generation: its segments searched together and re-scored exactly.

How a segment finds its candidates is the searcher's business; what comes out here is exact cosines.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer.vectors.interface import Keys, SegmentSearcher, Vectors
from indexer.vectors.segments import Segment

# Up to here the allowed vectors are compared one by one: cheaper than a search that throws most hits away.
_DIRECT = 4_096


class SegmentedIndex:
    """Several segments as one index; `dead` keys (ascending) are not found."""

    def __init__(self, parts: Sequence[tuple[Segment, SegmentSearcher]], dead: Keys) -> None:
        self._parts = tuple(parts)
        self._dead = dead

    def __len__(self) -> int:
        """Return the number of live vectors."""
        return sum(len(segment.keys) for segment, _ in self._parts) - len(self._dead)

    def search(self, query: Vectors, limit: int, within: Keys | None = None) -> tuple[Keys, Vectors]:
        """Return the keys and cosines of the `limit` nearest units to `query` (dim,), nearest first."""
        found = [self._part(segment, searcher, query, limit, within) for segment, searcher in self._parts]
        keys = np.concatenate([np.empty(0, np.int64), *(keys for keys, _ in found)])
        scores = np.concatenate([np.empty(0, np.float32), *(scores for _, scores in found)])
        order = np.lexsort((keys, -scores))[:limit]
        return keys[order], scores[order]

    def vectors(self, keys: Keys) -> Vectors:
        """Return the unit vectors (n, dim) of keys; zeros where a unit has none."""
        dimension = self._parts[0][0].vectors.shape[1] if self._parts else 0
        result = np.zeros((len(keys), dimension), dtype=np.float32)
        for segment, _ in self._parts:
            rows, positions = _positions(segment, keys)
            result[rows] = segment.vectors[positions]
        return result

    def _part(
        self, segment: Segment, searcher: SegmentSearcher, query: Vectors, limit: int, within: Keys | None
    ) -> tuple[Keys, Vectors]:
        positions = self._candidates(segment, searcher, query, limit, within)
        scores = np.asarray(segment.vectors[positions], dtype=np.float32) @ query
        return segment.keys[positions], scores

    def _candidates(
        self, segment: Segment, searcher: SegmentSearcher, query: Vectors, limit: int, within: Keys | None
    ) -> Keys:
        if within is not None and len(within) <= _DIRECT:
            return self._alive(segment, _positions(segment, within)[1], None)
        total, wanted = len(segment.keys), limit
        while True:
            found = self._alive(segment, searcher.nearest(query, wanted), within)
            if len(found) >= limit or wanted >= total:
                return found
            wanted = min(total, wanted * 4)

    def _alive(self, segment: Segment, positions: Keys, within: Keys | None) -> Keys:
        keys = segment.keys[positions]
        keep = np.ones(len(keys), dtype=bool)
        if len(self._dead):
            keep &= ~np.isin(keys, self._dead)
        if within is not None:
            keep &= np.isin(keys, within)
        return positions[keep]


def _positions(segment: Segment, keys: Keys) -> tuple[Keys, Keys]:
    """Return which of `keys` the segment holds, as rows of `keys`, and where."""
    if not len(segment.keys):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    places = np.minimum(np.searchsorted(segment.keys, keys), len(segment.keys) - 1)
    rows = np.flatnonzero(segment.keys[places] == keys)
    return rows, places[rows]
