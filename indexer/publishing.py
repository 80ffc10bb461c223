"""From what a run has written to the next generation: what is derived first, then one transaction.

Decides what is removed and in which order all is written; does not read sources and does not encode.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.backends import Backends
from indexer.combining import CodeWeights
from indexer.encoder.interface import Encoder
from indexer.errors import EnvironmentFailed
from indexer.lexical.interface import LexicalDocument
from indexer.store.interface import Forgotten, Keys, SourceReport, Store
from indexer.store.manifest import (
    LEXICAL,
    REPAIR,
    WORK,
    DerivedFile,
    Manifest,
    disk_errors,
    seal,
    sync,
)


class Publisher:
    """Collects changes to the derived indexes of an index and publishes them as generations."""

    def __init__(
        self,
        backends: Backends,
        store: Store,
        encoder: Encoder,
        *,
        fresh: bool = False,
        moved: bool = False,
        weights: CodeWeights = CodeWeights(),  # noqa: B008 - it never changes
    ) -> None:
        self._folder = folder = backends.folder
        self._backend = backends.kind
        self._store = store
        self._weights = astuple(weights)
        self._model, self._fingerprint = encoder.name, encoder.fingerprint
        with store.snapshot() as manifest:
            self._previous = self.manifest = manifest
        if fresh and manifest is not None:  # keep its number, none of its files
            self.manifest = manifest.model_copy(
                update={"lexical_files": (), "segments": (), "dead": None, "vectors": ""}
            )
        with disk_errors(folder):
            self._tidy()
            self._lexical = backends.lexical_writer(manifest, fresh=fresh or moved)
            self._vectors = backends.vector_writer(manifest, encoder.dimension, fresh=fresh)
        self._lexical_changed = fresh or moved
        self._removed: set[int] = set()

    def close(self) -> None:
        """Drop what was not published from the derived indexes; the store keeps what it was given."""
        self._lexical.close()
        self._vectors.close()

    def add(self, documents: Iterable[LexicalDocument]) -> None:
        """Add units to the BM25 index."""
        for document in documents:
            self._lexical.add(document)
            self._lexical_changed = True

    def replace(self, file_key: int, documents: Iterable[LexicalDocument]) -> None:
        """Put the units of a live file into the BM25 index in place of what they were there."""
        self._lexical.remove_file(file_key)
        self.add(documents)

    def remove(self, file_keys: Iterable[int]) -> None:
        """Remove live files when the generation moves."""
        for key in file_keys:
            self._lexical.remove_file(key)
            self._removed.add(key)
            self._lexical_changed = True

    def add_vectors(self, keys: Sequence[int], vectors: Sequence[NDArray[np.float32]], depth: int) -> None:
        """Add unit vectors, each (dim,) of norm 1, made at a depth; they take the place of those that are no deeper."""
        if keys:
            self._vectors.add(np.array(keys, dtype=np.int64), np.stack(vectors), depth)

    @property
    def pending(self) -> bool:
        """Whether anything waits to be published."""
        return self._lexical_changed or self._vectors.pending

    @property
    def crowded(self) -> bool:
        """Whether as many vectors wait as may be held in memory."""
        return self._vectors.crowded

    def publish(self, change: SourceReport | Forgotten | None = None) -> Manifest:
        """Move the generation; everything it names is on the disk before it is named.

        Raises EnvironmentFailed where that cannot be; the old generation then stays, and this publisher is of no
        more use.
        """
        with disk_errors(self._folder):
            manifest = self._write((self.manifest.generation if self.manifest else 0) + 1)
            self._store.publish(manifest, self._removed, change)
            self._previous, self.manifest = self.manifest, manifest
            self._removed, self._lexical_changed = set(), False
            self._tidy()
            self._vectors.settle(manifest)
        self._lexical.settle(manifest.generation)
        return manifest

    def held_keys(self, depth: int) -> Keys:
        """Return the keys of the units whose published vectors are of a depth or more, ascending."""
        return self._vectors.held(depth)

    def _write(self, generation: int) -> Manifest:
        """Write the derived files of a generation durably and name them."""
        removed = sorted(self._removed)
        documents = self._store.count_after(removed)
        lexical, lexical_files = self._freeze_lexical(generation, documents)
        vectors = self._vectors.freeze(generation, self._store.unit_keys(removed))
        manifest = Manifest(
            generation=generation,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            documents=documents,
            depths=dict(vectors.depths),
            model=self._model,
            fingerprint=self._fingerprint,
            backend=self._backend,
            lexical=lexical,
            lexical_files=lexical_files,
            vectors=vectors.name,
            segments=vectors.segments,
            dead=vectors.dead,
            recall=vectors.recall,
            weights=self._weights,
        )
        for folder in (self._folder / LEXICAL, self._folder):
            if folder.is_dir():
                sync(folder)
        return manifest

    def _freeze_lexical(self, generation: int, documents: int) -> tuple[str, tuple[DerivedFile, ...]]:
        if not self._lexical_changed and self.manifest is not None:
            return self.manifest.lexical, self.manifest.lexical_files
        frozen = self._lexical.freeze(generation)
        if frozen.documents != documents:
            raise EnvironmentFailed(
                f"the BM25 index {frozen.name} took {frozen.documents} of {documents} units; {REPAIR}"
            )
        before = self.manifest.lexical_files if self.manifest else ()
        known = {Path(entry.path).name: entry for entry in before if not entry.path.endswith(".json")}
        sealed = seal(self._folder, frozen.files, known)
        if frozen.files:
            sync(self._folder / frozen.name)
        return frozen.name, sealed

    def _tidy(self) -> None:
        """Remove what neither this generation nor the one before it names of the words' files.

        What lies in the folder of an index that a cluster holds alone is another index's.
        """
        if self._backend.alone:
            return
        keep = {WORK}
        for manifest in (self.manifest, self._previous):
            if manifest is not None:
                keep |= {Path(entry.path).parent.name for entry in manifest.lexical_files}
        for path in sorted((self._folder / LEXICAL).glob("*")):
            if path.name not in keep:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
