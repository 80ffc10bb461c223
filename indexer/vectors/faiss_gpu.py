"""FAISS on a GPU over one large segment: half-precision vectors, compared with all of them or in clusters.

What it finds is re-scored like what the processor finds. Nothing is written: the GPU is filled from the segment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.vectors.faiss import FaissSearcher
from indexer.vectors.interface import SegmentSearcher, Vectors
from indexer.vectors.segments import Segment, chunks

# From here on a search reads a part of the vectors only: 10 million × 384 × 2 bytes are 7.7 GB, 3 to 10 ms of a GPU's
# memory bandwidth.
CLUSTERED_FROM = 10_000_000
# Clusters for the square root of the vectors, the share of them that is looked into, and what they are trained on.
_CLUSTERS = 4
_PROBED = 1 / 16
_TRAINED_ON = 64
# Candidates for the exact re-scoring: halves lose no neighbour that matters.
_MINIMUM_CANDIDATES = 100
# FAISS gives no more from a GPU.
_MOST = 2_048


def gpus() -> int:
    """Return how many GPUs the FAISS that is installed can use."""
    return int(faiss.get_num_gpus()) if made_for_gpus() else 0


def made_for_gpus() -> bool:
    """Tell whether the FAISS that is installed is the wheel for GPUs."""
    return hasattr(faiss, "StandardGpuResources")


class GpuSearcher:
    """Finds likely nearest vectors of one segment; safe to share between threads."""

    def __init__(self, segment: Segment, place: Callable[[Any], Any] | None = None) -> None:
        """Fill the GPU; `place` puts an index somewhere else. Raises RuntimeError where its memory is too small."""
        self._segment = segment
        self._index = filled(segment, (place or _on_gpu)(layout(len(segment.keys), segment.vectors.shape[1])))
        self._lock = threading.Lock()
        self._deep: SegmentSearcher | None = None

    def nearest(self, query: Vectors, limit: int) -> NDArray[np.int64]:
        """Return positions of likely nearest vectors to `query` (dim,), at least `limit` if there are so many."""
        with self._lock:
            if limit > _MOST:
                # Filters that throw most hits away, and long listings: the processor's codes have no such bound.
                self._deep = self._deep or FaissSearcher(self._segment)
                return self._deep.nearest(query, limit)
            wanted = min(max(_MINIMUM_CANDIDATES, limit), _MOST, self._index.ntotal)
            _, found = self._index.search(query[np.newaxis], wanted)
        positions: NDArray[np.int64] = found[0]
        return positions[positions >= 0]


def layout(count: int, dimension: int) -> Any:
    """Return an empty index for so many vectors: flat, or in clusters that keep halves."""
    if count < CLUSTERED_FROM:
        return faiss.IndexFlatIP(dimension)
    clusters = _CLUSTERS * int(count**0.5)
    index: Any = faiss.index_factory(dimension, f"IVF{clusters},SQfp16", faiss.METRIC_INNER_PRODUCT)
    index.nprobe = max(1, int(_PROBED * clusters))
    return index


def filled(segment: Segment, index: Any) -> Any:
    """Train an index where it needs that, add all vectors of a segment, a chunk at a time, and return it."""
    if not index.is_trained:
        step = max(1, len(segment.keys) // (_TRAINED_ON * index.nlist))
        index.train(np.ascontiguousarray(segment.vectors[::step], dtype=np.float32))
    for _, vectors in chunks(segment):
        index.add(vectors)
    return index


def _on_gpu(index: Any) -> Any:
    options = faiss.GpuClonerOptions()
    options.useFloat16 = True
    return faiss.index_cpu_to_gpu(_resources(), 0, index, options)


@cache
def _resources() -> Any:
    """Return this process's memory and streams on the GPU: all segments share them."""
    return faiss.StandardGpuResources()
