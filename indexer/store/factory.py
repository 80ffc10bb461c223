"""Choosing the store: one place. Nothing is read or written here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.store.interface import Store
from indexer.store.lock import writer_lock
from indexer.store.manifest import disk_errors

if TYPE_CHECKING:  # its client takes half a second to load, and the embedded index needs none
    from indexer.cluster.connection import Cluster

# The owner of an index that a cluster holds alone: whoever uses its name.
EVERYONE = "everyone"


def open_store(folder: Path, cluster: Cluster | None) -> Store:
    """Open a store for reading: in the cluster, or in its folder where there is none; raise IndexMissing."""
    if cluster is None:
        from indexer.store.sqlite import SqliteStore

        return SqliteStore(folder)
    from indexer.store.elasticsearch import ElasticsearchStore

    return ElasticsearchStore(cluster)


@contextmanager
def written_store(folder: Path, cluster: Cluster | None, *, brief: bool = False) -> Iterator[Store]:
    """Hold the writer lock and yield the store for writing, made if there is none; raise IndexBusy.

    Other writers wait for a `brief` one, and it does not wait for them.
    """
    if cluster is None:
        from indexer.store.sqlite import SqliteStore

        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _private_files(), writer_lock(folder, brief=brief), closing(SqliteStore(folder, writable=True)) as store:
            yield store
        return
    from indexer.cluster.lease import leased
    from indexer.store.cluster_head import make_store
    from indexer.store.elasticsearch import ElasticsearchStore

    index = make_store(cluster, EVERYONE)
    with leased(cluster, index, brief=brief) as lease, closing(ElasticsearchStore(cluster, lease)) as kept:
        yield kept


@contextmanager
def _private_files() -> Iterator[None]:
    """Let what this process writes be readable by its owner only, in a folder that others may read too."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
