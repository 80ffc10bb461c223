"""From what a run has written to the next generation: derived files first, then one transaction.

Decides what is linked, merged and removed; does not read sources and does not encode.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.lexical.factory import lexical_writer
from indexer.lexical.interface import LexicalDocument
from indexer.store.interface import Keys, SourceReport
from indexer.store.manifest import LEXICAL, VECTORS, DerivedFile, Manifest, VectorSegment, seal, sync
from indexer.store.sqlite import SqliteStore
from indexer.vectors.factory import build_segment, measure_recall
from indexer.vectors.segments import read_segment

_WORK = "work"

# A new segment absorbs those up to this many times its size: each vector is rewritten O(log n) times.
_ABSORB = 2
# Beyond this share of dead vectors everything is written anew.
_DEAD_SHARE = 0.2


class Publisher:
    """Collects changes to the derived indexes of `folder` and publishes them as generations."""

    def __init__(self, folder: Path, store: SqliteStore, fingerprint: str, depth: int, *, fresh: bool = False) -> None:
        self._folder = folder
        self._store = store
        self._fingerprint = fingerprint
        self._depth = depth
        with store.snapshot() as manifest:
            self.manifest = manifest
        self._previous = self.manifest
        self._tidy()
        if fresh and self.manifest is not None:  # keep its number, none of its files
            self.manifest = self.manifest.model_copy(update={"lexical_files": (), "segments": (), "dead": None})
        base = folder / self.manifest.lexical if self.manifest and not fresh else None
        self._lexical = lexical_writer(folder / LEXICAL / _WORK, base)
        self._lexical_changed = self.manifest is None or fresh
        self._removed: set[int] = set()
        self._new: list[tuple[Keys, NDArray[np.float32]]] = []

    def close(self) -> None:
        """Drop what was not published from the derived indexes; the store keeps what it was given."""
        self._lexical.close()

    def add(self, documents: Iterable[LexicalDocument]) -> None:
        """Add units to the BM25 index."""
        for document in documents:
            self._lexical.add(document)
            self._lexical_changed = True

    def remove(self, file_keys: Iterable[int], *, live: bool = True) -> None:
        """Remove files: live ones when the generation moves, staged ones are gone already."""
        for key in file_keys:
            self._lexical.remove_file(key)
            self._lexical_changed = True
            if live:
                self._removed.add(key)

    def add_vectors(self, keys: Sequence[int], vectors: Sequence[NDArray[np.float32]]) -> None:
        """Add unit vectors, each (dim,) of norm 1."""
        if keys:
            self._new.append((np.array(keys, dtype=np.int64), np.stack(vectors)))

    @property
    def pending(self) -> bool:
        """Whether anything waits to be published."""
        return bool(self._lexical_changed or self._removed or self._new)

    def publish(self, report: SourceReport | None = None) -> Manifest:
        """Move the generation; everything it names is on the disk before it is named."""
        generation = (self.manifest.generation if self.manifest else 0) + 1
        lexical, lexical_files = self._freeze_lexical(generation)
        gone = self._store.unit_keys(sorted(self._removed))
        segments, dead, recall = self._write_vectors(generation, gone)
        manifest = Manifest(
            generation=generation,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            documents=self._store.count_after(sorted(self._removed)),
            encoded=sum(segment.count for segment in segments) - len(dead),
            fingerprint=self._fingerprint,
            depth=self._depth,
            lexical=lexical,
            lexical_files=lexical_files,
            segments=segments,
            dead=self._write_dead(generation, dead),
            recall=recall,
        )
        self._store.publish(manifest, self._removed, report)
        self._previous, self.manifest = self.manifest, manifest
        self._removed, self._new, self._lexical_changed = set(), [], False
        self._tidy()
        return manifest

    def _freeze_lexical(self, generation: int) -> tuple[str, tuple[DerivedFile, ...]]:
        if not self._lexical_changed and self.manifest is not None:
            return self.manifest.lexical, self.manifest.lexical_files
        target = self._folder / LEXICAL / str(generation)
        files = self._lexical.freeze(target)
        before = self.manifest.lexical_files if self.manifest else ()
        known = {Path(entry.path).name: entry for entry in before if not entry.path.endswith(".json")}
        sealed = seal(self._folder, files, known)
        sync(target)
        return target.relative_to(self._folder).as_posix(), sealed

    def _write_vectors(self, generation: int, gone: Keys) -> tuple[tuple[VectorSegment, ...], Keys, float | None]:
        segments = list(self.manifest.segments) if self.manifest else []
        dead = np.union1d(self._dead(), gone)
        held = [read_segment(self._folder / VECTORS / segment.name).keys for segment in segments]
        dead = np.intersect1d(dead, np.concatenate([np.empty(0, np.int64), *held]))
        kept, absorbed = self._choose(segments, len(dead))
        if not self._new and not absorbed:
            return tuple(segments), dead, self.manifest.recall if self.manifest else None
        keys, vectors = self._gather(absorbed, dead)
        dead = np.setdiff1d(dead, np.concatenate([np.empty(0, np.int64), *(self._keys(entry) for entry in absorbed)]))
        recall = self.manifest.recall if self.manifest else None
        if len(keys):
            segment = build_segment(self._folder / VECTORS / str(generation), keys, vectors)
            files = seal(self._folder, segment.folder.iterdir(), {})
            sync(segment.folder)
            if len(keys) >= max([entry.count for entry in kept], default=0):
                recall = measure_recall(segment)
            kept.append(VectorSegment(name=str(generation), count=len(keys), files=files))
        return tuple(kept), dead, recall

    def _choose(self, segments: list[VectorSegment], dead: int) -> tuple[list[VectorSegment], list[VectorSegment]]:
        """Return the segments that stay and those that the new one absorbs."""
        total = sum(segment.count for segment in segments)
        if dead and dead > _DEAD_SHARE * total:
            return [], segments
        size = sum(len(keys) for keys, _ in self._new)
        kept, absorbed = [], []
        for segment in sorted(segments, key=lambda entry: entry.count):
            if size and segment.count <= _ABSORB * size:
                size += segment.count
                absorbed.append(segment)
            else:
                kept.append(segment)
        return kept, absorbed

    def _gather(self, absorbed: Sequence[VectorSegment], dead: Keys) -> tuple[Keys, NDArray[np.float32]]:
        keys, vectors = [np.empty(0, np.int64)], []
        for entry in absorbed:
            segment = read_segment(self._folder / VECTORS / entry.name)
            alive = ~np.isin(segment.keys, dead)
            keys.append(segment.keys[alive])
            vectors.append(segment.vectors[alive].astype(np.float32))
        for new_keys, new_vectors in self._new:
            keys.append(new_keys)
            vectors.append(new_vectors)
        return np.concatenate(keys), np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32)

    def held_keys(self) -> Keys:
        """Return the keys in published or queued segments."""
        held = [self._keys(entry) for entry in (self.manifest.segments if self.manifest else ())]
        return np.concatenate([np.empty(0, np.int64), *held, *(keys for keys, _ in self._new)])

    def _keys(self, entry: VectorSegment) -> Keys:
        return read_segment(self._folder / VECTORS / entry.name).keys

    def _dead(self) -> Keys:
        if self.manifest is None or self.manifest.dead is None:
            return np.empty(0, np.int64)
        dead: Keys = np.load(self._folder / self.manifest.dead.path, allow_pickle=False)
        return dead

    def _write_dead(self, generation: int, dead: Keys) -> DerivedFile | None:
        if not len(dead):
            return None
        path = self._folder / VECTORS / f"dead-{generation}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, dead, allow_pickle=False)
        return seal(self._folder, [path], {})[0]

    def _tidy(self) -> None:
        """Remove what neither this generation nor the one before it names."""
        keep = {f"{LEXICAL}/{_WORK}"}
        for manifest in (self.manifest, self._previous):
            if manifest is not None:
                keep |= {Path(entry.path).parent.as_posix() for entry in manifest.files()}
                keep |= {manifest.dead.path} if manifest.dead else set()
        for kind in (LEXICAL, VECTORS):
            for path in sorted((self._folder / kind).glob("*")):
                if path.relative_to(self._folder).as_posix() not in keep:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
