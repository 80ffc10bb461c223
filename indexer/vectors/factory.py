"""Choosing how vectors are searched: FAISS, on a GPU where there is one, else numpy. The one place that chooses."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.store.manifest import VECTORS, Manifest
from indexer.vectors.exact import ExactSearcher
from indexer.vectors.index import SearchedSegment, SegmentedIndex
from indexer.vectors.interface import Keys, SegmentSearcher, VectorIndex, Vectors, VectorWriter
from indexer.vectors.segments import Part, Segment, chunks, read_segment, write_segment

if TYPE_CHECKING:  # its client takes half a second to load, and the embedded index needs none
    from indexer.cluster.connection import Cluster

_log = logging.getLogger(__name__)

# Below this numpy compares a query with every vector as fast as a first pass and its re-scoring together.
FLAT_LIMIT = 10_000
# Queries that measure recall: enough for ± .01.
_RECALL_QUERIES = 100
_RECALL_AT = 10


def backend() -> str:
    """Return which back end searches vectors here: "faiss" or "exact"."""
    return "faiss" if importlib.util.find_spec("faiss") else "exact"


def searcher(segment: Segment) -> SegmentSearcher:
    """Return the best searcher that can be had for a segment; a small one is searched exactly."""
    if len(segment.keys) < FLAT_LIMIT or backend() == "exact":
        return ExactSearcher(segment)
    from indexer.vectors.faiss import FaissSearcher
    from indexer.vectors.faiss_gpu import GpuSearcher, gpus, made_for_gpus

    if not gpus():
        if made_for_gpus():
            _say_once("faiss-gpu is installed and finds no GPU: vectors are searched on the processor")
        return FaissSearcher(segment)
    try:
        return GpuSearcher(segment)
    except RuntimeError as error:
        _say_once(f"the GPU cannot hold the vectors, they are searched on the processor: {_first_line(error)}")
        return FaissSearcher(segment)


@cache
def _say_once(line: str) -> None:
    _log.warning("%s", line)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def open_vectors(folder: Path, manifest: Manifest, cluster: Cluster | None) -> VectorIndex:
    """Open a generation's vectors: in the cluster, or below the index's folder where there is none."""
    if cluster is not None:
        from indexer.vectors.elasticsearch import ElasticsearchVectors

        return ElasticsearchVectors(cluster, manifest.vectors, manifest.generation, manifest.encoded)
    dead = np.empty(0, np.int64)
    if manifest.dead is not None:
        dead = np.load(folder / manifest.dead.path, allow_pickle=False)
    return open_segments([(folder / VECTORS / entry.name, entry.depth) for entry in manifest.segments], dead)


def open_segments(folders: Sequence[tuple[Path, int]], dead: Keys) -> VectorIndex:
    """Open segments, each in its folder and of its depth, as one index."""
    return SegmentedIndex([searched(read_segment(folder), depth) for folder, depth in folders], dead)


def vector_writer(
    folder: Path, manifest: Manifest | None, cluster: Cluster | None, owner: str, dimension: int, *, fresh: bool
) -> VectorWriter:
    """Start writing from the vectors (dimension,) that a manifest names, or, where they are `fresh`, from none."""
    if cluster is not None:
        from indexer.vectors.elasticsearch import ElasticsearchVectorWriter

        return ElasticsearchVectorWriter(cluster, owner, manifest, dimension, fresh=fresh)
    from indexer.vectors.segment_writer import SegmentWriter

    return SegmentWriter(folder, manifest, fresh=fresh)


def searched(segment: Segment, depth: int = 0) -> SearchedSegment:
    """Return a segment with the best searcher that can be had for it."""
    return SearchedSegment(segment, searcher(segment), depth)


def build_segment(folder: Path, parts: Sequence[Part]) -> Segment:
    """Write a segment with all that the back end here can use."""
    segment = write_segment(folder, parts)
    if len(segment.keys) >= FLAT_LIMIT and backend() == "faiss":
        from indexer.vectors.faiss import build_codes

        build_codes(segment)
    return segment


def measure_recall(segment: Segment) -> float:
    """Return recall@10 of the segment's search against exact search, its own vectors as queries."""
    index = SegmentedIndex([searched(segment)], np.empty(0, np.int64))
    sample = np.unique(np.linspace(0, len(segment.keys) - 1, _RECALL_QUERIES).astype(np.int64))
    queries = segment.vectors[sample].astype(np.float32)
    hits = 0
    for query, truth in zip(queries, _exact(segment, queries), strict=True):
        found, _ = index.search(query, _RECALL_AT)
        hits += len(np.intersect1d(truth, found))
    return hits / (len(sample) * min(_RECALL_AT, len(segment.keys)))


def _exact(segment: Segment, queries: Vectors) -> Keys:
    """Return the keys (queries, 10) of the nearest vectors by comparing with all of them, in chunks."""
    best = np.empty((len(queries), 0), np.float32)
    keys = np.empty((len(queries), 0), np.int64)
    for start, vectors in chunks(segment):
        best = np.hstack([best, queries @ vectors.T])
        here = np.broadcast_to(segment.keys[start : start + len(vectors)], (len(queries), len(vectors)))
        keys = np.hstack([keys, here])
        order = np.argsort(-best, axis=1, kind="stable")[:, :_RECALL_AT]
        best, keys = np.take_along_axis(best, order, 1), np.take_along_axis(keys, order, 1)
    return keys
