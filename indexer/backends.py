"""Which back ends an index has: chosen once, from settings, and held against what the index was made with.

Opens the parts; what they do is their own.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.contradictions import refuse_contradictions
from indexer.errors import IndexIncompatible, ServerUnavailable
from indexer.lexical.factory import lexical_writer, open_lexical
from indexer.lexical.interface import LexicalIndex, LexicalWriter
from indexer.settings import Backend, Settings
from indexer.store.factory import EVERYONE, open_store, written_store
from indexer.store.interface import Store
from indexer.store.manifest import Fault, Manifest, faults
from indexer.vectors.factory import open_vectors, vector_writer
from indexer.vectors.interface import VectorIndex, VectorWriter

if TYPE_CHECKING:
    from indexer.cluster.connection import Cluster

# Tells what this index has in a cluster from what others have there.
_OWNER_FILE = "cluster.id"
# Requests that searches of one process may have under way beside those of their own threads.
_ASKERS = 16


class Backends:
    """The back ends of the index in `folder`."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Raise UsageError for settings that contradict one another."""
        self.folder = folder
        self.kind = settings.backend
        self._settings = settings
        refuse_contradictions(settings)

    @cached_property
    def cluster(self) -> Cluster | None:
        """The connection to the cluster, None where there is none in use."""
        if not self.kind.clustered:
            return None
        from indexer.cluster.connection import Cluster

        return Cluster(self._settings)

    @cached_property
    def askers(self) -> ThreadPoolExecutor | None:
        """Threads that ask a cluster which holds everything while others ask it too; None where it does not."""
        return ThreadPoolExecutor(_ASKERS, "fathom-ask") if self.kind.alone else None

    @property
    def place(self) -> str:
        """Where the index is, in words."""
        if self.kind.alone and self.cluster is not None:
            return f"{self.cluster.name} in Elasticsearch at {self.cluster.address}"
        return str(self.folder)

    def size(self) -> int:
        """Return the bytes on disk: in the index's folder, and in the cluster while that answers."""
        size = 0
        if not self.kind.alone:
            size = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        if self.cluster is not None:
            with suppress(ServerUnavailable):
                size += self.cluster.size()
        return size

    def open_store(self) -> Store:
        """Open the store for reading; raise IndexMissing where there is none."""
        return open_store(self.folder, self._sole_cluster)

    @contextmanager
    def written_store(self, *, brief: bool = False) -> Iterator[Store]:
        """Hold the writer lock and yield the store for writing, made if there is none; raise IndexBusy.

        Other writers wait for a `brief` one, and it does not wait for them.
        """
        with written_store(self.folder, self._sole_cluster, brief=brief) as store:
            yield store

    def refuse_other(self, manifest: Manifest) -> None:
        """Raise IndexIncompatible, naming both, where an index was made with another back end than these."""
        if manifest.backend is not self.kind:
            option = _OPTIONS[manifest.backend]
            raise IndexIncompatible(
                f"the words of the index {self.place} are in the back end {manifest.backend.value}, and the settings "
                f"say {self.kind.value}; {option}, or move the index with `fathom migrate`"
            )

    def open_lexical(self, manifest: Manifest) -> LexicalIndex:
        """Open a generation's BM25 index."""
        return open_lexical(self.folder, manifest, self.cluster)

    def lexical_writer(self, manifest: Manifest | None, *, fresh: bool) -> LexicalWriter:
        """Start writing the next generation's BM25 index; the caller holds the writer lock."""
        return lexical_writer(self.folder, manifest, self.cluster, self._owner, fresh=fresh)

    def open_vectors(self, manifest: Manifest) -> VectorIndex:
        """Open a generation's vectors."""
        return open_vectors(self.folder, manifest, self._sole_cluster)

    def vector_writer(self, manifest: Manifest | None, dimension: int, *, fresh: bool) -> VectorWriter:
        """Start writing the next generation's vectors (dimension,); the caller holds the writer lock."""
        return vector_writer(self.folder, manifest, self._sole_cluster, self._owner, dimension, fresh=fresh)

    def faults(self, manifest: Manifest) -> list[Fault]:
        """Return every derived file and index that is missing or not what a manifest says.

        Raises ServerUnavailable where that cannot be seen now.
        """
        self.refuse_other(manifest)
        found = faults(self.folder, manifest)
        if self.cluster is not None:
            from indexer.lexical.elasticsearch import faults as missing

            found += missing(self.cluster, manifest.lexical, manifest.generation, manifest.documents)
        if self._sole_cluster is not None:
            from indexer.vectors.elasticsearch import faults as missing_vectors

            found += missing_vectors(self._sole_cluster, manifest.vectors, manifest.generation, manifest.encoded)
        return found

    @property
    def _sole_cluster(self) -> Cluster | None:
        """The cluster, where it holds everything."""
        return self.cluster if self.kind.alone else None

    @property
    def _owner(self) -> str:
        """Who owns what this index has in a cluster: told from others by a file in its folder, or all who share it."""
        if self.cluster is None:
            return ""
        if self.kind.alone:
            return EVERYONE
        path = self.folder / _OWNER_FILE
        if not path.exists():
            partial = path.with_suffix(f".{os.getpid()}")
            partial.write_text(uuid.uuid4().hex)
            partial.replace(path)
        return path.read_text()


_OPTIONS = {
    Backend.EMBEDDED: "leave out --backend (or FATHOM_BACKEND)",
    Backend.ELASTICSEARCH: "add --backend elasticsearch --url ADDRESS (or FATHOM_BACKEND, FATHOM_ELASTICSEARCH_URL)",
    Backend.ELASTICSEARCH_ALONE: "add --backend elasticsearch-alone --url ADDRESS (or FATHOM_BACKEND, …_URL)",
}
