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
from indexer.store.interface import Forgotten, Keys, SourceReport
from indexer.store.manifest import LEXICAL, VECTORS, DerivedFile, Manifest, VectorSegment, disk_errors, seal, sync
from indexer.store.sqlite import SqliteStore
from indexer.vectors.factory import build_segment, measure_recall
from indexer.vectors.segments import Part, Segment, part_of, read_segment

_WORK = "work"

# A new segment absorbs those up to this many times its size: each vector is rewritten O(log n) times.
_ABSORB = 2
# Beyond this share of dead vectors everything is written anew.
_DEAD_SHARE = 0.2
# Vectors that may wait for the next generation: 50 MB at 384 dimensions.
_WAITING = 32_768

_NO_KEYS: Keys = np.empty(0, np.int64)

_Held = list[tuple[VectorSegment, Segment]]


class Publisher:
    """Collects changes to the derived indexes of `folder` and publishes them as generations."""

    def __init__(self, folder: Path, store: SqliteStore, fingerprint: str, depth: int, *, fresh: bool = False) -> None:
        self._folder = folder
        self._store = store
        self._fingerprint = fingerprint
        self._depth = depth
        with store.snapshot() as manifest:
            self._previous = self.manifest = manifest
        if fresh and manifest is not None:  # keep its number, none of its files
            self.manifest = manifest.model_copy(update={"lexical_files": (), "segments": (), "dead": None})
        base = folder / manifest.lexical if manifest and not fresh else None
        with disk_errors(folder):
            self._tidy()
            self._lexical = lexical_writer(folder / LEXICAL / _WORK, base)
        self._lexical_changed = fresh
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

    def remove(self, file_keys: Iterable[int]) -> None:
        """Remove live files when the generation moves."""
        for key in file_keys:
            self._lexical.remove_file(key)
            self._removed.add(key)
            self._lexical_changed = True

    def add_vectors(self, keys: Sequence[int], vectors: Sequence[NDArray[np.float32]]) -> None:
        """Add unit vectors, each (dim,) of norm 1."""
        if keys:
            self._new.append((np.array(keys, dtype=np.int64), np.stack(vectors)))

    @property
    def pending(self) -> bool:
        """Whether anything waits to be published."""
        return bool(self._lexical_changed or self._new)

    @property
    def crowded(self) -> bool:
        """Whether as many vectors wait as may be held in memory."""
        return sum(len(keys) for keys, _ in self._new) >= _WAITING

    def publish(self, change: SourceReport | Forgotten | None = None) -> Manifest:
        """Move the generation; everything it names is on the disk before it is named.

        Raises EnvironmentFailed where that cannot be; the old generation then stays, and this publisher is of no
        more use.
        """
        with disk_errors(self._folder):
            manifest = self._write((self.manifest.generation if self.manifest else 0) + 1)
            self._store.publish(manifest, self._removed, change)
            self._previous, self.manifest = self.manifest, manifest
            self._removed, self._new, self._lexical_changed = set(), [], False
            self._tidy()
        return manifest

    def held_keys(self) -> Keys:
        """Return the keys in published segments."""
        return _joined([segment.keys for _, segment in self._segments()])

    def _write(self, generation: int) -> Manifest:
        """Write the derived files of a generation durably and name them."""
        removed = sorted(self._removed)
        lexical, lexical_files = self._freeze_lexical(generation)
        segments, dead, recall = self._write_vectors(generation, self._store.unit_keys(removed))
        manifest = Manifest(
            generation=generation,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            documents=self._store.count_after(removed),
            encoded=sum(segment.count for segment in segments) - len(dead),
            fingerprint=self._fingerprint,
            depth=self._depth,
            lexical=lexical,
            lexical_files=lexical_files,
            segments=segments,
            dead=self._write_dead(generation, dead),
            recall=recall,
        )
        for folder in (self._folder / LEXICAL, self._folder / VECTORS, self._folder):
            if folder.is_dir():
                sync(folder)
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
        """Write the waiting vectors with what they absorb; return the segments, the dead keys in them, the recall."""
        held = self._segments()
        recall = self.manifest.recall if self.manifest else None
        dead = np.intersect1d(np.union1d(self._dead(), gone), _joined([segment.keys for _, segment in held]))
        kept, absorbed = self._choose(held, len(dead))
        parts = [part_of(segment.keys, segment.vectors, dead) for _, segment in absorbed]
        parts += [part_of(keys, vectors, gone) for keys, vectors in self._new]
        parts = [part for part in parts if len(part.keys)]
        dead = np.setdiff1d(dead, _joined([segment.keys for _, segment in absorbed]))
        segments = [entry for entry, _ in kept]
        if parts:
            largest = max([entry.count for entry in segments], default=0)
            entry, segment = self._write_segment(generation, parts)
            recall = measure_recall(segment) if entry.count >= largest else recall
            segments.append(entry)
        return tuple(segments), dead, recall if segments else None

    def _write_segment(self, generation: int, parts: Sequence[Part]) -> tuple[VectorSegment, Segment]:
        segment = build_segment(self._folder / VECTORS / str(generation), parts)
        files = seal(self._folder, segment.folder.iterdir(), {})
        sync(segment.folder)
        return VectorSegment(name=str(generation), count=len(segment.keys), files=files), segment

    def _choose(self, held: _Held, dead: int) -> tuple[_Held, _Held]:
        """Return the segments that stay and those that the new one absorbs."""
        if dead and dead > _DEAD_SHARE * sum(entry.count for entry, _ in held):
            return [], held
        size = sum(len(keys) for keys, _ in self._new)
        kept, absorbed = [], []
        for entry, segment in sorted(held, key=lambda pair: pair[0].count):
            if size and entry.count <= _ABSORB * size:
                size += entry.count
                absorbed.append((entry, segment))
            else:
                kept.append((entry, segment))
        return kept, absorbed

    def _segments(self) -> _Held:
        """Open the segments of the generation published last."""
        entries = self.manifest.segments if self.manifest else ()
        return [(entry, read_segment(self._folder / VECTORS / entry.name)) for entry in entries]

    def _dead(self) -> Keys:
        if self.manifest is None or self.manifest.dead is None:
            return _NO_KEYS
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


def _joined(keys: Sequence[Keys]) -> Keys:
    return np.concatenate([_NO_KEYS, *keys])
