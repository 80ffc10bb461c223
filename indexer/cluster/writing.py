"""Bulk writing: what a busy cluster did not take is offered again, and what it refused is counted and named.

Operations have ids of their own, so that one that was carried out twice does no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from elasticsearch import helpers

from indexer.cluster.connection import Cluster
from indexer.cluster.indices import writing_name
from indexer.errors import EnvironmentFailed, ServerUnavailable

# Operations, and bytes, of one request.
_OPERATIONS = 500
_BYTES = 10 << 20
# How often an operation is offered again, with pauses in seconds that double from the first to the longest.
_RETRIES = 5
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_BUSY = (429, 502, 503, 504)
_NO_INDEX = "index_not_found_exception"
# Refusals that a message quotes.
_QUOTED = 3


def write(cluster: Cluster, operations: Iterable[Mapping[str, Any]], *, gone_is_fine: bool = False) -> int:
    """Carry out bulk operations (each with `_op_type`, `_index`, `_id`); return how many were.

    Raises ServerUnavailable where the cluster stays too busy, and EnvironmentFailed, with the number and the reasons,
    where it refused some, or where this process may not write any more; `gone_is_fine` says that what is not there may
    be deleted.
    """
    done, failed = 0, Counter[str]()
    busy = True
    with cluster.written() as client:
        results = helpers.streaming_bulk(
            client,
            _while_allowed(cluster, operations),
            chunk_size=_OPERATIONS,
            max_chunk_bytes=_BYTES,
            max_retries=_RETRIES,
            initial_backoff=_FIRST_PAUSE,
            max_backoff=_LONGEST_PAUSE,
            retry_on_status=_BUSY,
            raise_on_error=False,
            require_alias=True,
        )
        for good, result in results:
            item: Mapping[str, Any] = next(iter(result.values()))
            if good or (gone_is_fine and item.get("status") == 404 and _NO_INDEX not in _said(item)):
                done += 1
            else:
                failed[_said(item)] += 1
                busy = busy and item.get("status") in _BUSY
    if failed:
        raise _refused(cluster, failed, done, busy=busy)
    return done


def _while_allowed(cluster: Cluster, operations: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in operations:
        cluster.refuse()
        yield {**each, "_index": writing_name(each["_index"])}


def _refused(cluster: Cluster, failed: Counter[str], done: int, *, busy: bool) -> EnvironmentFailed:
    reasons = "; ".join(f"{count} times {reason}" for reason, count in failed.most_common(_QUOTED))
    total = sum(failed.values())
    kind = ServerUnavailable if busy else EnvironmentFailed
    return kind(
        f"Elasticsearch at {cluster.address} did not take {total} of {total + done} documents ({reasons}); "
        "run this again when that is mended, nothing is lost"
    )


def _said(item: Mapping[str, Any]) -> str:
    error = item.get("error")
    said = f"{error.get('type')}: {error.get('reason')}" if isinstance(error, Mapping) else str(error)
    return f"{item.get('status')} {said}"[:200]
