"""Rows of one index of a cluster, by name, in lists and in numbers; written by who holds the lease.

What is in a row, and which of them belong to what is published, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from elasticsearch import Elasticsearch

from indexer.batching import batched
from indexer.cluster.connection import Cluster
from indexer.cluster.generations import Query, hits, mark_removed, refresh
from indexer.cluster.lease import Lease
from indexer.cluster.writing import write
from indexer.errors import UsageError
from indexer.store.cluster_rows import Document

# Rows fetched by name, and whole rows listed, in one request: texts of units are in them.
_FETCHED = 500
# Values in one clause of a query.
CLAUSE = 10_000
# Of each kind one row has a key and a generation.
_SORT = ["key", "added"]


class Rows:
    """The rows of a store; safe to share between threads."""

    def __init__(self, cluster: Cluster, index: str, lease: Lease | None) -> None:
        self.cluster, self.index, self._lease = cluster, index, lease
        self._unseen = False

    def asked(self) -> AbstractContextManager[Elasticsearch]:
        """Yield the client: one that is patient for a writer."""
        return self.cluster.asked() if self._lease is None else self.cluster.written()

    def get(self, kind: str, names: Iterable[object], fields: Sequence[str] | None = None) -> dict[str, Document]:
        """Return the rows of a kind that there are, by name; only some `fields` of them, if so asked."""
        wanted, found = [str(name) for name in names], {}
        for start in range(0, len(wanted), _FETCHED):
            batch = [f"{kind}-{name}" for name in wanted[start : start + _FETCHED]]
            options: dict[str, Any] = {} if fields is None else {"source_includes": list(fields)}
            with self.asked() as client:
                answer = client.mget(index=self.index, ids=batch, **options)
            for each in answer["docs"]:
                if each.get("found"):
                    found[each["_id"][len(kind) + 1 :]] = each["_source"]
        return found

    def there(self, kind: str, names: Sequence[str]) -> set[str]:
        """Return the names of the rows that there are."""
        found = set()
        for start in range(0, len(names), CLAUSE):
            batch = [f"{kind}-{name}" for name in names[start : start + CLAUSE]]
            with self.asked() as client:
                answer = client.mget(index=self.index, ids=batch, source=False)
            found |= {each["_id"][len(kind) + 1 :] for each in answer["docs"] if each.get("found")}
        return found

    def rows(
        self, kind: str, filters: Sequence[Query], *, after: int = -1, fields: Sequence[str] | None = None
    ) -> Iterator[Document]:
        """Yield rows ascending by key, those that follow `after`, in pages that are read as they are wanted."""
        self._show()
        query = _query(kind, [*filters, {"range": {"key": {"gt": after}}}])
        options: dict[str, Any] = {"source": True if fields is None else {"includes": list(fields)}}
        while True:
            with self.asked() as client:
                answer = client.search(
                    index=self.index, query=query, sort=_SORT, size=_FETCHED, track_total_hits=False, **options
                )
            page = answer["hits"]["hits"]
            for hit in page:
                yield hit["_source"]
            if len(page) < _FETCHED:
                return
            options["search_after"] = page[-1]["sort"]

    def columns(
        self,
        kind: str,
        filters: Sequence[Query],
        names: Sequence[str],
        limit: int | None = None,
        sort: Sequence[str] = _SORT,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield fields of up to `limit` rows, ascending by key, None where a row has none: cheaper than whole rows.

        `sort` names other fields that no two of the rows share, where they have no keys; () asks for up to `limit` rows
        in any order, which costs less and takes a filter that no more than a page of them pass.
        """
        self._show()
        options: dict[str, Any] = {"source": False, "stored_fields": "_none_", "docvalue_fields": list(names)}
        with self.asked() as client:
            for page in hits(client, self.index, _query(kind, filters), sort, limit, **options):
                for hit in page:
                    fields = hit.get("fields", {})
                    yield tuple(fields[name][0] if name in fields else None for name in names)

    def found(self, kind: str, filters: Sequence[Query], sort: Sequence[Any], limit: int = CLAUSE) -> list[Document]:
        """Return up to `limit` rows, sorted."""
        self._show()
        with self.asked() as client:
            answer = client.search(
                index=self.index, query=_query(kind, filters), sort=list(sort), size=limit, track_total_hits=False
            )
        return [hit["_source"] for hit in answer["hits"]["hits"]]

    def count(self, kind: str, filters: Sequence[Query]) -> int:
        """Return how many rows there are."""
        self._show()
        with self.asked() as client:
            return int(client.count(index=self.index, query=_query(kind, filters))["count"])

    def sums(self, kind: str, filters: Sequence[Query], aggregations: dict[str, Any]) -> dict[str, Any]:
        """Return what is counted and added up of rows."""
        self._show()
        with self.asked() as client:
            answer = client.search(index=self.index, query=_query(kind, filters), size=0, aggs=aggregations)
        found: dict[str, Any] = answer["aggregations"]
        return found

    def write(self, rows: Iterable[tuple[object, Document]]) -> None:
        """Write rows of any kinds durably, each by its name, in place of what was there."""
        self._change({"_op_type": "index", "_id": f"{row['row']}-{name}", "_source": row} for name, row in rows)

    def update(self, kind: str, changes: Iterable[tuple[object, Document]]) -> None:
        """Change fields of rows durably."""
        self._change({"_op_type": "update", "_id": f"{kind}-{name}", "doc": fields} for name, fields in changes)

    def delete(self, kind: str, names: Iterable[object]) -> None:
        """Remove rows."""
        self._change({"_op_type": "delete", "_id": f"{kind}-{name}"} for name in names)

    def mark_removed(self, kind: str, filters: Sequence[Query], generation: int) -> None:
        """Let live rows be no more from a generation on; what was written must be refreshed."""
        mark_removed(self.cluster, self.index, _query(kind, filters), "key", generation)

    def held(self) -> Lease:
        """Return the lease; raise EnvironmentFailed where it is lost, and UsageError where there is none."""
        if self._lease is None:
            raise UsageError("this store was opened for reading")
        self._lease.refuse_lost()
        return self._lease

    def refresh(self) -> None:
        """Let searches see what was written."""
        refresh(self.cluster, self.index)
        self._unseen = False

    def _change(self, operations: Iterable[Document]) -> None:
        self.held()
        self._unseen = True
        write(self.cluster, ({"_index": self.index, **each} for each in operations), gone_is_fine=True)

    def _show(self) -> None:
        if self._unseen:
            self.refresh()


def _query(kind: str, filters: Sequence[Query]) -> Query:
    return {"bool": {"filter": [{"term": {"row": kind}}, *filters]}}


def batches(values: Sequence[Any]) -> Iterator[list[Any]]:
    """Return as many values at a time as a clause takes."""
    return batched(values, CLAUSE)
