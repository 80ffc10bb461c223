"""Documents that belong to generations: which of them a reader of one sees, without a copy of any.

A document is of every generation from `added` up to, and without, `removed`. A run writes what is new and marks what
goes while readers go on, and what it did counts when, elsewhere, the generation moves.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from elasticsearch import Elasticsearch

from indexer.cluster.connection import Cluster
from indexer.cluster.writing import write

# What `removed` says of a document that no generation was without as yet: the largest integer of the field's type.
NEVER = 2**31 - 1
# Seconds for which a document is kept that only older generations have: longer than any search reads one.
KEPT_SECONDS = 600
# The fields of it in a mapping.
FIELDS: Mapping[str, Any] = {
    "added": {"type": "integer"},
    "removed": {"type": "integer"},
    "removed_at": {"type": "long"},
}
# Hits of one page: the most that an index gives at a time.
PAGE = 10_000
_KEEP_ALIVE = "1m"

Query = Mapping[str, Any]


def seen_by(generation: int) -> list[Query]:
    """Return the filters that leave what a generation has."""
    return [{"range": {"added": {"lte": generation}}}, {"range": {"removed": {"gt": generation}}}]


def born(generation: int) -> dict[str, int]:
    """Return what a document says that comes with a generation."""
    return {"added": generation, "removed": NEVER}


def hits(
    client: Elasticsearch, index: str, query: Query, sort: Sequence[Any], limit: int | None = None, **options: Any
) -> Iterator[list[dict[str, Any]]]:
    """Yield the hits of a query in pages, sorted, up to `limit`; `options` are the search's own.

    Most listings fit a page; of a longer one, what follows is read from a point in time. Where no more can match than a
    page takes, and `limit` says how many, `sort` may be empty: they come in any order.
    """
    size = PAGE if limit is None else min(PAGE, limit)
    options = {"query": query, "track_total_hits": False, **options} | ({"sort": list(sort)} if sort else {})
    page = client.search(index=index, size=size, **options)["hits"]["hits"]
    yield page
    count = len(page)
    if len(page) < PAGE or count == limit:
        return
    pinned = client.open_point_in_time(index=index, keep_alive=_KEEP_ALIVE)["id"]
    options.pop("preference", None)
    try:
        while len(page) == PAGE and count != limit:
            size = PAGE if limit is None else min(PAGE, limit - count)
            after, pit = page[-1]["sort"][: len(sort)], {"id": pinned, "keep_alive": _KEEP_ALIVE}
            answer = client.search(size=size, pit=pit, search_after=after, **options)
            pinned, page = answer.get("pit_id", pinned), answer["hits"]["hits"]
            count += len(page)
            yield page
    finally:
        client.close_point_in_time(id=pinned)


def ids(client: Elasticsearch, index: str, query: Query, sort: str) -> Iterator[str]:
    """Yield the ids of all documents that match, by a field that is each one's own."""
    for page in hits(client, index, query, [sort], source=False):
        yield from (hit["_id"] for hit in page)


def mark_removed(cluster: Cluster, index: str, query: Query, sort: str, generation: int) -> None:
    """Let the live documents that match be no more from a generation on; what was written must be refreshed."""
    live = {"bool": {"filter": [query, {"term": {"removed": NEVER}}]}}
    gone = {"removed": generation, "removed_at": int(time.time())}
    _update(cluster, index, live, sort, gone)


def restore(cluster: Cluster, index: str, sort: str, generation: int) -> None:
    """Undo what a run did for a generation after this one, and did not publish."""
    with cluster.written() as client:
        client.indices.refresh(index=index)
        unpublished: Query = {"range": {"added": {"gt": generation}}}
        _delete(cluster, index, list(ids(client, index, unpublished, sort)))
    unmark(cluster, index, sort, generation)


def unmark(cluster: Cluster, index: str, sort: str, generation: int) -> None:
    """Undo what a run marked as gone from a generation after this one, and did not publish."""
    refresh(cluster, index)
    marked = {"bool": {"filter": [{"range": {"removed": {"gt": generation, "lt": NEVER}}}]}}
    _update(cluster, index, marked, sort, {"removed": NEVER})


def purge(cluster: Cluster, index: str, sort: str, generation: int) -> None:
    """Delete what neither this generation nor the one before it has, and no search can be reading any more."""
    old = [
        {"range": {"removed": {"lt": generation}}},
        {"range": {"removed_at": {"lte": int(time.time()) - KEPT_SECONDS}}},
    ]
    with cluster.written() as client:
        _delete(cluster, index, list(ids(client, index, {"bool": {"filter": old}}, sort)))


def _update(cluster: Cluster, index: str, query: Query, sort: str, fields: Mapping[str, Any]) -> None:
    """Change fields of the documents that match until none does: pages may leave out some that sort alike."""
    while True:
        with cluster.written() as client:
            found = list(ids(client, index, query, sort))
        if not found:
            return
        write(cluster, ({"_op_type": "update", "_index": index, "_id": each, "doc": fields} for each in found))
        refresh(cluster, index)


def refresh(cluster: Cluster, index: str) -> None:
    """Let searches see what was written."""
    with cluster.written() as client:
        client.indices.refresh(index=index)


def _delete(cluster: Cluster, index: str, found: Iterable[str]) -> None:
    write(cluster, ({"_op_type": "delete", "_index": index, "_id": each} for each in found), gone_is_fine=True)
