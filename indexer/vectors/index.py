"""The vectors of a generation: its segments searched together and re-scored exactly.

How a segment finds its candidates is the searcher's business; what comes out here is exact cosines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from indexer.keys import among
from indexer.vectors.interface import Keys, SegmentSearcher, Vectors
from indexer.vectors.segments import Segment, single

# Up to here the allowed vectors are compared one by one: cheaper than a search that throws most hits away.
_DIRECT = 8_192


@dataclass(frozen=True, slots=True)
class SearchedSegment:
    """A segment, what searches it, and the depth of the encoder at which its vectors were made."""

    segment: Segment
    searcher: SegmentSearcher
    depth: int = 0


class SegmentedIndex:
    """Several segments as one index; `dead` keys (ascending) are not found.

    A key that two segments hold is that of the deeper one.
    """

    def __init__(self, parts: Sequence[SearchedSegment], dead: Keys) -> None:
        self._parts = tuple(sorted(parts, key=lambda part: -part.depth))
        self._hidden = hidden_keys([(part.segment.keys, part.depth) for part in self._parts], dead)
        self._count = sum(
            len(part.segment.keys) - int(among(part.segment.keys, hidden).sum())
            for part, hidden in zip(self._parts, self._hidden, strict=True)
        )

    def __len__(self) -> int:
        """Return the number of live vectors."""
        return self._count

    def search(self, query: Vectors, limit: int, within: Keys | None = None) -> tuple[Keys, Vectors]:
        """Return the keys and cosines of the `limit` nearest units to `query` (dim,), nearest first."""
        found = [
            self._part(part, hidden, query, limit, within)
            for part, hidden in zip(self._parts, self._hidden, strict=True)
        ]
        keys = np.concatenate([np.empty(0, np.int64), *(keys for keys, _ in found)])
        scores = np.concatenate([np.empty(0, np.float32), *(scores for _, scores in found)])
        order = np.lexsort((keys, -scores))[:limit]
        return keys[order], scores[order]

    def vectors(self, keys: Keys) -> Vectors:
        """Return the unit vectors (n, dim) of keys; zeros where a unit has none."""
        dimension = self._parts[0].segment.vectors.shape[1] if self._parts else 0
        result = np.zeros((len(keys), dimension), dtype=np.float32)
        for part in reversed(self._parts):
            rows, positions = _positions(part.segment, keys)
            result[rows] = single(part.segment.vectors, positions)
        return result

    def _part(
        self, part: SearchedSegment, hidden: Keys, query: Vectors, limit: int, within: Keys | None
    ) -> tuple[Keys, Vectors]:
        segment = part.segment
        positions = self._candidates(part, hidden, query, limit, within)
        return segment.keys[positions], np.vecdot(single(segment.vectors, positions), query)

    def _candidates(self, part: SearchedSegment, hidden: Keys, query: Vectors, limit: int, within: Keys | None) -> Keys:
        segment = part.segment
        if within is not None and len(within) <= _DIRECT:
            return _alive(segment, _positions(segment, within)[1], hidden, None)
        total, wanted = len(segment.keys), limit
        while True:
            # In order: their keys are then looked up, and their vectors read, from one end to the other.
            found = _alive(segment, np.sort(part.searcher.nearest(query, wanted)), hidden, within)
            if len(found) >= limit or wanted >= total:
                return found
            wanted = min(total, wanted * 4)


def hidden_keys(held: Sequence[tuple[Keys, int]], dead: Keys) -> list[Keys]:
    """Return, for the (keys, depth) of each segment, which keys (ascending) are not to be found in it.

    `held` is ordered from the deepest to the shallowest: hidden are the dead, and what a deeper segment holds.
    """
    hidden: list[Keys] = []
    above, level, last = dead, list[Keys](), None
    for keys, depth in held:
        if depth != last:
            above = np.unique(np.concatenate([above, *level])) if level else above
            level, last = [], depth
        hidden.append(above)
        level.append(keys)
    return hidden


def _alive(segment: Segment, positions: Keys, hidden: Keys, within: Keys | None) -> Keys:
    keys = segment.keys[positions]
    keep = ~among(keys, hidden)
    if within is not None:
        keep &= among(keys, within)
    return positions[keep]


def _positions(segment: Segment, keys: Keys) -> tuple[Keys, Keys]:
    """Return which of `keys` the segment holds, as rows of `keys`, and where."""
    if not len(segment.keys):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    places = np.minimum(np.searchsorted(segment.keys, keys), len(segment.keys) - 1)
    rows = np.flatnonzero(segment.keys[places] == keys)
    return rows, places[rows]
