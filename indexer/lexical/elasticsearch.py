"""BM25 in Elasticsearch: one index of a cluster for all generations.

Terms come from `tokens.py`, are split at spaces only and scored with k1 = 1.2 and b = 0.75, so that scores are the
embedded index's. Nothing here decides what a generation is: the store does, in one transaction.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.cluster.connection import Cluster
from indexer.cluster.generations import FIELDS as GENERATIONS
from indexer.cluster.generations import (
    PAGE,
    Query,
    born,
    hits,
    mark_removed,
    purge,
    refresh,
    restore,
    seen_by,
)
from indexer.cluster.indices import KeptIndex, create, mapping_fault
from indexer.cluster.writing import write
from indexer.errors import IndexDamaged, ServerUnavailable
from indexer.lexical.interface import (
    FIELD_WEIGHTS,
    FIELDS,
    NOTHING,
    Frozen,
    LexicalDocument,
    Ranked,
    filtered,
)
from indexer.store.manifest import REPAIR, Fault, Manifest

KIND = "lexical"
# Up to here a set of keys is a clause of the query (an index takes 65,536 by default); beyond, hits are filtered.
_CLAUSE_KEYS = 65_536
# Documents that wait to be written together.
_WAITING = 2_000
# The analyser cuts what is longer, and the cluster refuses to be asked for what is much longer: no unit holds it.
_LONGEST_TERM = 255
# Terms whose frequencies are kept for a generation.
_KEPT_TERMS = 100_000

_SIMILARITY = {"units": {"type": "BM25", "k1": 1.2, "b": 0.75}}
_TEXT = {"type": "text", "analyzer": "whitespace", "index_options": "freqs", "similarity": "units"}
MAPPING: Mapping[str, Any] = {
    "key": {"type": "long"},
    "file": {"type": "long"},
    **GENERATIONS,
    **dict.fromkeys(FIELDS, _TEXT),
}
_HITS = {"source": False, "stored_fields": "_none_", "docvalue_fields": ["key"]}


class ElasticsearchIndex:
    """What one generation has in a cluster's index; safe to share between threads.

    Methods raise ServerUnavailable while nobody answers, and IndexDamaged where the index is not what was written.
    """

    def __init__(self, cluster: Cluster, name: str, generation: int, documents: int) -> None:
        """Open it; raise IndexDamaged at once where that can be seen now."""
        self._cluster, self._name = cluster, name
        self._generation, self._documents = generation, documents
        self._seen = seen_by(generation)
        # Copies of a shard break ties, and count what is deleted, in their own ways: a generation asks one of them.
        self._options = {"preference": f"generation-{generation}", "search_type": "dfs_query_then_fetch"}
        self._frequencies: dict[str, int] = {}
        self._lock = threading.Lock()
        self._verified = False
        with suppress(ServerUnavailable):
            self._verify()

    def __len__(self) -> int:
        """Return the number of units."""
        return self._documents

    def search(self, terms: Mapping[str, float], limit: int, within: NDArray[np.int64] | None = None) -> Ranked:
        """Return the best `limit` units that hold any of the weighted terms; `within` restricts the keys."""
        terms = {term: boost for term, boost in terms.items() if len(term) <= _LONGEST_TERM}
        if not terms or limit < 1 or not self._documents or (within is not None and not len(within)):
            return Ranked(np.empty(0, np.int64), np.empty(0, np.float32))
        if within is None:
            return self._ranked(terms, limit)
        if len(within) <= _CLAUSE_KEYS:
            return self._ranked(terms, limit, [{"terms": {"key": within.tolist()}}])
        return filtered(lambda wanted: self._ranked(terms, wanted), self._documents, limit, within)

    def containing(self, terms: Sequence[str]) -> NDArray[np.int64]:
        """Return the keys of all units that hold every one of the terms, each in any field, ascending."""
        self._verify()
        if any(len(term) > _LONGEST_TERM for term in terms):
            return np.empty(0, np.int64)
        each = [{"bool": {"should": [{"term": {name: term}} for name in FIELDS]}} for term in terms]
        query = {"bool": {"filter": [*self._seen, *each]}}
        with self._cluster.asked() as client:
            pages = hits(client, self._name, query, ["key"], source=False, stored_fields="_none_")
            return np.array([hit["sort"][0] for page in pages for hit in page], dtype=np.int64)

    def frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Return in how many units' bodies each term occurs; those of a query in one request."""
        wanted = list(dict.fromkeys(terms))
        known = self._frequencies
        missing = [term for term in wanted if term not in known]
        if missing:
            self._verify()
            counted = self._counted(missing)
            with self._lock:
                if len(known) > _KEPT_TERMS:
                    known = self._frequencies = {term: known[term] for term in wanted if term in known}
                known.update(counted)
        return {term: known[term] for term in wanted}

    def _counted(self, terms: Sequence[str]) -> dict[str, int]:
        filters = [{"term": {"body": term[: _LONGEST_TERM + 1]}} for term in terms]
        with self._cluster.asked() as client:
            answer = client.search(
                index=self._name,
                size=0,
                query={"bool": {"filter": self._seen}},
                aggs={"terms": {"filters": {"filters": filters}}},
                track_total_hits=False,
            )
        buckets = answer["aggregations"]["terms"]["buckets"]
        return {term: int(bucket["doc_count"]) for term, bucket in zip(terms, buckets, strict=True)}

    def _ranked(self, terms: Mapping[str, float], limit: int, filters: Sequence[Query] = ()) -> Ranked:
        self._verify()
        clauses = [
            {"term": {name: {"value": term, "boost": weight * boost}}}
            for term, boost in sorted(terms.items())
            for name, weight in FIELD_WEIGHTS.items()
        ]
        query = {"bool": {"should": clauses, "filter": list(filters), "minimum_should_match": 1}}
        # Nearly all that is there is seen: hits are asked whether they are, and not the whole index beforehand.
        options: dict[str, Any] = {**_HITS, **self._options, "post_filter": {"bool": {"filter": self._seen}}}
        with self._cluster.asked() as client:
            if limit <= PAGE:
                answer = client.search(index=self._name, query=query, size=limit, track_total_hits=False, **options)
                found = answer["hits"]["hits"]
            else:
                sort = [{"_score": "desc"}, {"key": "asc"}]
                pages = hits(client, self._name, query, sort, limit, track_scores=True, **options)
                found = [hit for page in pages for hit in page]
        keys = np.array([hit["fields"]["key"][0] for hit in found], dtype=np.int64)
        return Ranked(keys, np.array([hit["_score"] for hit in found], dtype=np.float32))

    def _verify(self) -> None:
        """Look, once, whether the index is there and whole."""
        if self._verified:
            return
        found = faults(self._cluster, self._name, self._generation, self._documents)
        if found:
            raise IndexDamaged(f"{found[0].path}: {found[0].problem}; {REPAIR}")
        self._verified = True


def faults(cluster: Cluster, name: str, generation: int, documents: int) -> list[Fault]:
    """Return in which way an index is not what the generation's manifest says."""
    path = f"elasticsearch/{name}"
    with cluster.asked() as client:
        problem = mapping_fault(client, name, MAPPING)
        if problem:
            return [Fault(path, problem)]
        found = int(client.count(index=name, query={"bool": {"filter": seen_by(generation)}})["count"])
    return [] if found == documents else [Fault(path, f"{found} units instead of {documents}")]


class ElasticsearchWriter:
    """Writes what comes with the next generation into the index of the present one, or into a new index."""

    def __init__(self, cluster: Cluster, owner: str, manifest: Manifest | None, *, fresh: bool) -> None:
        """Go on in the index of a generation, undoing what was written after it, or begin a new index."""
        self._cluster = cluster
        self._next = (manifest.generation if manifest else 0) + 1
        self._kept = KeptIndex(cluster, KIND, owner)
        self._kept.tidy({manifest.lexical} if manifest else set())
        self._waiting: list[dict[str, Any]] = []
        self._removed: list[int] = []
        if manifest is None or fresh:
            self.name = self._kept.name_for(uuid.uuid4().hex[:8])
            create(cluster, self.name, MAPPING, owner, {"similarity": _SIMILARITY})
        else:
            self.name = manifest.lexical
            restore(cluster, self.name, "key", manifest.generation)

    def add(self, document: LexicalDocument) -> None:
        """Add one unit."""
        fields = {name: getattr(document, name) or NOTHING for name in FIELDS}
        row = {"key": document.key, "file": document.file, **born(self._next), **fields}
        self._waiting.append({"_op_type": "index", "_index": self.name, "_id": str(document.key), "_source": row})
        if len(self._waiting) >= _WAITING:
            self._flush()

    def remove_file(self, file: int) -> None:
        """Remove all units of a file, from the next generation on."""
        self._removed.append(file)

    def freeze(self, generation: int) -> Frozen:
        """Let a reader of the generation see the present state; one of another does not see it."""
        self._flush()
        refresh(self._cluster, self.name)
        for start in range(0, len(self._removed), _CLAUSE_KEYS):
            files = {"terms": {"file": self._removed[start : start + _CLAUSE_KEYS]}}
            mark_removed(self._cluster, self.name, files, "key", generation)
        self._removed = []
        with self._cluster.written() as client:
            seen = {"bool": {"filter": seen_by(generation)}}
            return Frozen(self.name, (), int(client.count(index=self.name, query=seen)["count"]))

    def settle(self, generation: int) -> None:
        """Go on to the generation after this one, which was published; drop what nobody reads any more."""
        self._next = generation + 1
        self._kept.name(self.name)
        purge(self._cluster, self.name, "key", generation)

    def close(self) -> None:
        """Stop writing; what was not published goes when the next run begins."""
        self._waiting = []

    def _flush(self) -> None:
        write(self._cluster, self._waiting)
        self._waiting = []
