"""Vectors in Elasticsearch: one index of a cluster for all generations, searched through graphs of 8-bit copies.

What comes out is exact cosines, as from the embedded index. Nothing here decides what a generation is: the store does.
"""

from __future__ import annotations

import base64
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.batching import batched
from indexer.cluster.connection import Cluster
from indexer.cluster.generations import FIELDS as GENERATIONS
from indexer.cluster.generations import NEVER, PAGE, Query, born, hits, ids, purge, refresh, seen_by
from indexer.cluster.indices import KeptIndex, create, mapping_fault
from indexer.cluster.writing import write
from indexer.errors import EnvironmentFailed, IndexDamaged, ServerUnavailable, UsageError
from indexer.keys import among
from indexer.store.kept import Kept
from indexer.store.manifest import REPAIR, Fault, Manifest
from indexer.vectors.interface import FrozenVectors, Keys, Vectors
from indexer.vectors.segments import single

KIND = "vectors"
# Up to here a set of keys is a clause of the query (an index takes 65,536 by default); beyond, hits are filtered.
_CLAUSE_KEYS = 65_536
# How many times the wanted hits are looked through for those of a larger set.
_WIDER = 8
# The most neighbours, and candidates of a shard, that a cluster takes a request for.
_MOST = 10_000
# Candidates of a shard, and how many times the wanted hits are compared exactly. Measured on 60,000 functions of 384
# numbers, 200 hits: 400 candidates and 2 hold the true ten at 1.000 and the true 200 at .996, in 15 ms; 200 and 2 at
# .999 and .989, in 14 ms; 800 and 2 at .999 for the 200, in 19 ms; 400 without the exact comparison at .973, in 13 ms.
_MINIMUM_CANDIDATES = 200
_FACTOR = 2
# Vectors that may wait for the next generation: 25 MB at 384 dimensions.
_WAITING = 32_768
# Documents that are read and written anew at a time: 13 MB as they travel.
_REWRITTEN = 4_096
# Vectors of a generation that a reader keeps: 80 MB at 384 dimensions.
_KEPT = 100_000
# A digit more says nothing of a vector in half precision, and every digit is read by the cluster.
_DIGITS = 6
# More depths than any model has.
_DEPTHS = 256

# Any vector is taken, of whatever length, and the inner product is the cosine of those of norm 1.
_VECTOR = {"type": "dense_vector", "index": True, "similarity": "max_inner_product"}
# A vector is in `vector` as long as no generation is without it, then in `leaving`: that one has no graph to be put
# into, so letting it go costs half of what adding it did, and the graph has none but those that stay.
_LIVE, _LEAVING = "vector", "leaving"
# `packed` is the vector in half precision, from which both are made anew: from 9.2 on a cluster gives no vector back
# with its document. 300 of them are read in 4 ms; from documents' sources in 15 ms, as lists of numbers there in 48 ms.
MAPPING: Mapping[str, Any] = {
    "key": {"type": "long"},
    "depth": {"type": "short"},
    **GENERATIONS,
    _LIVE: _VECTOR,
    _LEAVING: _VECTOR,
    "packed": {"type": "binary", "doc_values": True},
}
_FIRST_PASS = {_LIVE: {"type": "int8_hnsw"}, _LEAVING: {"type": "int8_flat"}}
_BARE: Mapping[str, Any] = {"source": False, "stored_fields": "_none_"}
_NO_KEYS: Keys = np.empty(0, np.int64)
_NOTHING = (_NO_KEYS, np.empty(0, np.float32))

_Halves = NDArray[np.float16]


def mapping(dimension: int) -> dict[str, Any]:
    """Return the mapping of an index of vectors (dimension,)."""
    laid = {name: {**_VECTOR, "dims": dimension, "index_options": options} for name, options in _FIRST_PASS.items()}
    return {**MAPPING, **laid}


class ElasticsearchVectors:
    """The vectors that one generation has in a cluster's index; safe to share between threads.

    Methods raise ServerUnavailable while nobody answers, and IndexDamaged where the index is not what was written.
    """

    def __init__(self, cluster: Cluster, name: str, generation: int, count: int) -> None:
        """Open it; raise IndexDamaged at once where that can be seen now. Without vectors it has no name."""
        self._cluster, self._name = cluster, name
        self._generation, self._count = generation, count
        self._seen = seen_by(generation)
        # Copies of a shard have graphs of their own: a generation asks one of them.
        self._preference = f"generation-{generation}"
        self._kept = Kept[bytes](_KEPT)
        self._dimension = 0
        self._lock = threading.Lock()
        with suppress(ServerUnavailable):
            self._verify()

    def __len__(self) -> int:
        """Return the number of live vectors."""
        return self._count

    def search(self, query: Vectors, limit: int, within: Keys | None = None) -> tuple[Keys, Vectors]:
        """Return the keys and cosines of the `limit` nearest units to `query` (dim,), nearest first.

        Raises UsageError for a query of another dimension.
        """
        self._verify()
        if limit < 1 or not self._count or (within is not None and not len(within)):
            return _NOTHING
        if len(query) != self._dimension:
            raise UsageError(f"the query has {len(query)} numbers, and the index's vectors have {self._dimension}")
        if limit >= min(self._count if within is None else len(within), _MOST):
            return self._compared(query, limit, within)
        if within is None or len(within) <= _CLAUSE_KEYS:
            return self._nearest(query, limit, within)
        return self._filtered(query, limit, within)

    def vectors(self, keys: Keys) -> Vectors:
        """Return the unit vectors (n, dim) of keys; zeros where a unit has none."""
        if not self._count:
            return np.zeros((len(keys), 0), dtype=np.float32)
        self._verify()
        known = self._kept.read(keys.tolist(), self._fetched)
        none = bytes(2 * self._dimension)
        joined = b"".join(known[key] or none for key in keys.tolist())
        return single(np.frombuffer(joined, dtype="<f2").reshape(-1, self._dimension), np.arange(len(keys)))

    def _nearest(self, query: Vectors, limit: int, within: Keys | None) -> tuple[Keys, Vectors]:
        """Search the graphs, and among what is leaving and was not gone in this generation as yet."""
        filters = [*self._seen, *_among(within)]
        nearest = {
            "query_vector": query.tolist(),
            "k": limit,
            "num_candidates": min(_MOST, max(_MINIMUM_CANDIDATES, _FACTOR * limit)),
            "rescore_vector": {"oversample": float(_FACTOR)},
            "filter": filters,
        }
        # As clauses of a query they are searched with it; as a request's `knn` before it, in a round of its own.
        either = {"bool": {"should": [{"knn": {"field": field, **nearest}} for field in (_LIVE, _LEAVING)]}}
        options: dict[str, Any] = {**_BARE, "docvalue_fields": ["key"], "preference": self._preference}
        with self._cluster.asked() as client:
            found = client.search(index=self._name, query=either, size=limit, track_total_hits=False, **options)
        rows = found["hits"]["hits"]
        keys = np.array([hit["fields"]["key"][0] for hit in rows], dtype=np.int64)
        return _best(keys, _cosines([hit["_score"] for hit in rows]), limit)

    def _filtered(self, query: Vectors, limit: int, within: Keys) -> tuple[Keys, Vectors]:
        """Search among more keys than a query can name: wider, or, where few of those found are allowed, in turns."""
        keys, cosines = self._nearest(query, min(_MOST, _WIDER * limit), None)
        allowed = among(keys, within)
        if allowed.sum() < limit:
            turns = np.array_split(within, -(-len(within) // _CLAUSE_KEYS))
            found = [self._nearest(query, limit, turn) for turn in turns]
            return _best(
                np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found]), limit
            )
        return keys[allowed][:limit], cosines[allowed][:limit]

    def _compared(self, query: Vectors, limit: int, within: Keys | None) -> tuple[Keys, Vectors]:
        """Compare the query with every vector that may be found: few, or nearly all of them are wanted."""
        best = _NOTHING
        few = within is not None and len(within) <= _CLAUSE_KEYS
        with self._cluster.asked() as client:
            filters = [*self._seen, *(_among(within) if few else ())]
            for page in hits(client, self._name, {"bool": {"filter": filters}}, ["key"], **_PACKED):
                keys, halves = self._unpacked(page)
                cosines = np.vecdot(single(halves, np.arange(len(keys))), query)
                allowed = np.ones(len(keys), dtype=bool) if few or within is None else among(keys, within)
                joined = np.concatenate([best[0], keys[allowed]]), np.concatenate([best[1], cosines[allowed]])
                best = _best(*joined, limit)
        return best

    def _fetched(self, keys: Sequence[int]) -> dict[int, bytes]:
        """Return the packed vectors of keys; nothing for one that has none."""
        found = dict.fromkeys(keys, b"")
        with self._cluster.asked() as client:
            for batch in batched(keys, PAGE):
                query = {"bool": {"filter": [*self._seen, {"terms": {"key": batch}}]}}
                options = {**_BARE, "docvalue_fields": ["key", "packed"], "preference": self._preference}
                for page in hits(client, self._name, query, (), len(batch), **options):
                    present, halves = self._unpacked(page)
                    found |= zip(present.tolist(), map(bytes, halves), strict=True)
        return found

    def _unpacked(self, page: Sequence[Mapping[str, Any]]) -> tuple[Keys, _Halves]:
        """Return the keys (n,) and vectors (n, dim) of hits; raise IndexDamaged where they are of another dimension."""
        keys = np.array([hit["fields"]["key"][0] for hit in page], dtype=np.int64)
        packed = b"".join(base64.b64decode(hit["fields"]["packed"][0]) for hit in page)
        if len(packed) != len(page) * 2 * self._dimension:
            raise IndexDamaged(f"elasticsearch/{self._name}: its vectors differ in length; {REPAIR}")
        return keys, np.frombuffer(packed, dtype="<f2").reshape(len(page), self._dimension)

    def _verify(self) -> None:
        """Look, once, whether the index is there and whole, and how many numbers its vectors have."""
        with self._lock:
            if self._dimension or not self._count:
                return
            found = faults(self._cluster, self._name, self._generation, self._count)
            if found:
                raise IndexDamaged(f"{found[0].path}: {found[0].problem}; {REPAIR}")
            with self._cluster.asked() as client:
                laid = client.indices.get_mapping(index=self._name)[self._name]["mappings"]["properties"]
            self._dimension = int(laid[_LIVE]["dims"])


# What is read of a document, from which it can be written anew.
_PACKED: Mapping[str, Any] = {**_BARE, "docvalue_fields": ["key", "depth", "added", "packed"]}


def faults(cluster: Cluster, name: str, generation: int, count: int) -> list[Fault]:
    """Return in which way an index is not what the generation's manifest says; without vectors there need be none."""
    if not count:
        return []
    path = f"elasticsearch/{name}"
    with cluster.asked() as client:
        problem = mapping_fault(client, name, MAPPING) if name else "missing"
        if problem:
            return [Fault(path, problem)]
        found = int(client.count(index=name, query={"bool": {"filter": seen_by(generation)}})["count"])
    return [] if found == count else [Fault(path, f"{found} vectors instead of {count}")]


class ElasticsearchVectorWriter:
    """Writes the vectors of the next generation into the index of the present one, or into a new index."""

    def __init__(self, cluster: Cluster, owner: str, manifest: Manifest | None, dimension: int, *, fresh: bool) -> None:
        """Go on in the index of a generation, undoing what was written after it, or begin anew at the first vector."""
        self._cluster, self._owner, self._dimension = cluster, owner, dimension
        self._kept = KeptIndex(cluster, KIND, owner)
        self._kept.tidy({manifest.vectors} if manifest else set())
        self._generation, self._count, self.name = 0, 0, ""
        self._new: list[tuple[Keys, _Halves, int]] = []
        if manifest is not None and manifest.vectors and not fresh:
            self._generation, self._count, self.name = manifest.generation, manifest.encoded, manifest.vectors
            self._restore()

    def add(self, keys: Keys, vectors: Vectors, depth: int) -> None:
        """Add unit vectors (n, dim) of norm 1 made at a depth; each takes the place of one that is no deeper.

        Raises UsageError where they are of another dimension than the index.
        """
        if vectors.shape != (len(keys), self._dimension):
            raise UsageError(
                f"vectors of shape {vectors.shape} for {len(keys)} units of an index of {self._dimension} numbers each"
            )
        if len(keys):
            self._new.append((keys, vectors.astype("<f2"), depth))

    @property
    def pending(self) -> bool:
        """Whether anything waits to be frozen."""
        return bool(self._new)

    @property
    def crowded(self) -> bool:
        """Whether as many vectors wait as may be held in memory."""
        return sum(len(keys) for keys, _, _ in self._new) >= _WAITING

    def freeze(self, generation: int, gone: Keys) -> FrozenVectors:
        """Write the present state durably, without the units that are `gone`, as what a generation is to have.

        Raises EnvironmentFailed where the index then has another number of vectors than it should.
        """
        waiting = _deepest(self._new, gone)
        if waiting and not self.name:
            self.name = self._kept.name_for(uuid.uuid4().hex[:8])
            create(self._cluster, self.name, mapping(self._dimension), self._owner)
        if not self.name:
            self._new = []
            return FrozenVectors({})
        expected = self._count - self._let_go(waiting, gone, generation) + len(waiting)
        write(self._cluster, (self._row(each, born(generation), _LIVE) for each in waiting.values()))
        refresh(self._cluster, self.name)
        depths = self._depths(generation)
        if sum(depths.values()) != expected:
            raise EnvironmentFailed(
                f"the vectors {self.name} took {sum(depths.values())} of {expected} units; {REPAIR}"
            )
        self._new = []
        return FrozenVectors(depths, name=self.name)

    def settle(self, manifest: Manifest) -> None:
        """Note that a generation was published: what no reader needs any more may go."""
        self._generation, self._count = manifest.generation, manifest.encoded
        if self.name:
            self._kept.name(self.name)
            purge(self._cluster, self.name, "key", self._generation)

    def held(self, depth: int) -> Keys:
        """Return the keys that the published generation has at a depth or more, ascending."""
        if not self.name:
            return _NO_KEYS
        filters = [*seen_by(self._generation), {"range": {"depth": {"gte": depth}}}]
        with self._cluster.written() as client:
            pages = hits(client, self.name, {"bool": {"filter": filters}}, ["key"], **_BARE)
            return np.array([hit["sort"][0] for page in pages for hit in page], dtype=np.int64)

    def close(self) -> None:
        """Stop writing; what was not published goes when the next run begins."""
        self._new = []

    def _let_go(self, waiting: dict[int, _Stored], gone: Keys, generation: int) -> int:
        """Write anew what a generation is to have no more, of those it has; return of how many units.

        Of what waits, those are left out that the index has at a greater depth.
        """
        count = 0
        keys = np.union1d(gone, np.fromiter(waiting, np.int64, len(waiting)))
        for start in range(0, len(keys), _REWRITTEN):
            held = list(self._held_of(keys[start : start + _REWRITTEN]))
            deeper = {each.key for each in held if each.key in waiting and each.depth > waiting[each.key].depth}
            for key in deeper:
                del waiting[key]
            leaving = [each for each in held if each.key not in deeper]
            ends = {"removed": generation, "removed_at": int(time.time())}
            write(self._cluster, (self._row(each, {"added": each.added, **ends}, _LEAVING) for each in leaving))
            count += len(leaving)
        return count

    def _held_of(self, keys: Keys) -> Iterator[_Stored]:
        live = [{"terms": {"key": keys.tolist()}}, *seen_by(self._generation)]
        return self._stored({"bool": {"filter": live}})

    def _stored(self, query: Query) -> Iterator[_Stored]:
        with self._cluster.written() as client:
            for page in hits(client, self.name, query, ["key"], **_PACKED):
                yield from (_Stored.read(hit["fields"]) for hit in page)

    def _row(self, each: _Stored, lives: Mapping[str, int], field: str) -> dict[str, Any]:
        """Return the operation that writes a whole document: changing a part needs the vector in its source."""
        numbers = np.frombuffer(each.packed, dtype="<f2").astype(np.float64).round(_DIGITS).tolist()
        body = {"key": each.key, "depth": each.depth, **lives, field: numbers}
        body["packed"] = base64.b64encode(each.packed).decode()
        added = lives["added"]
        return {"_op_type": "index", "_index": self.name, "_id": f"{each.key}-{added}", "_source": body}

    def _depths(self, generation: int) -> dict[int, int]:
        """Return how many units a generation has at each depth."""
        with self._cluster.written() as client:
            found = client.search(
                index=self.name,
                size=0,
                query={"bool": {"filter": seen_by(generation)}},
                aggs={"depths": {"terms": {"field": "depth", "size": _DEPTHS}}},
                track_total_hits=False,
            )
        counts = {bucket["key"]: int(bucket["doc_count"]) for bucket in found["aggregations"]["depths"]["buckets"]}
        return dict(sorted(counts.items()))

    def _restore(self) -> None:
        """Undo what a run wrote for a generation after the published one."""
        refresh(self._cluster, self.name)
        with self._cluster.written() as client:
            unpublished = list(ids(client, self.name, {"range": {"added": {"gt": self._generation}}}, "key"))
        drop = ({"_op_type": "delete", "_index": self.name, "_id": each} for each in unpublished)
        write(self._cluster, drop, gone_is_fine=True)
        refresh(self._cluster, self.name)
        marked: Query = {"range": {"removed": {"gt": self._generation, "lt": NEVER}}}
        write(self._cluster, (self._row(each, born(each.added), _LIVE) for each in self._stored(marked)))
        refresh(self._cluster, self.name)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A unit's vector as it is stored: in half precision, and the generation that it came with."""

    key: int
    depth: int
    added: int
    packed: bytes

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> _Stored:
        key, depth, added, packed = (fields[name][0] for name in ("key", "depth", "added", "packed"))
        return cls(key, depth, added, base64.b64decode(packed))


def _deepest(new: Sequence[tuple[Keys, _Halves, int]], gone: Keys) -> dict[int, _Stored]:
    """Return what waits for each key that is not gone: the deepest, and of equals the last."""
    found: dict[int, _Stored] = {}
    for keys, halves, depth in new:
        stays = ~np.isin(keys, gone)
        for key, row in zip(keys[stays].tolist(), halves[stays], strict=True):
            if key not in found or found[key].depth <= depth:
                found[key] = _Stored(key, depth, 0, row.tobytes())
    return found


def _among(within: Keys | None) -> list[Query]:
    return [] if within is None else [{"terms": {"key": within.tolist()}}]


def _cosines(scores: Sequence[float]) -> Vectors:
    """Return the inner products that a cluster's scores stand for: it has no negative ones."""
    given = np.array(scores, dtype=np.float64)
    return np.where(given >= 1, given - 1, 1 - 1 / np.where(given > 0, given, 1)).astype(np.float32)


def _best(keys: Keys, cosines: Vectors, limit: int) -> tuple[Keys, Vectors]:
    order = np.lexsort((keys, -cosines))[:limit]
    return keys[order], cosines[order]
