"""What every vector index can do. Vectors have norm 1, so the inner product is the cosine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.store.manifest import DerivedFile, Manifest, VectorSegment

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


@dataclass(frozen=True, slots=True)
class FrozenVectors:
    """A state of the vectors that was written: how many units have theirs at each depth, and where they lie.

    That is in `segments` without what is `dead` in them, or in the index of a cluster that has this `name`; `recall` is
    as in a manifest.
    """

    depths: Mapping[int, int]
    recall: float | None = None
    segments: tuple[VectorSegment, ...] = ()
    dead: DerivedFile | None = None
    name: str = ""


class VectorWriter(Protocol):
    """The vectors of the next generation being written; no reader sees them before it is published."""

    def add(self, keys: Keys, vectors: Vectors, depth: int) -> None:
        """Add unit vectors (n, dim) of norm 1 made at a depth; each takes the place of one that is no deeper."""

    @property
    def pending(self) -> bool:
        """Whether anything waits to be frozen."""

    @property
    def crowded(self) -> bool:
        """Whether as many vectors wait as may be held in memory."""

    def freeze(self, generation: int, gone: Keys) -> FrozenVectors:
        """Write the present state durably, without the units that are `gone`, as what a generation is to have."""

    def settle(self, manifest: Manifest) -> None:
        """Note that a generation was published: what no reader needs any more may go."""

    def held(self, depth: int) -> Keys:
        """Return the keys that the published generation has at a depth or more, ascending."""

    def close(self) -> None:
        """Stop writing and drop what was not frozen."""
