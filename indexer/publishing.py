"""From what a run has written to the next generation: derived files first, then one transaction.

Decides what is linked, merged and removed; does not read sources and does not encode.
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
from indexer.keys import among
from indexer.lexical.interface import LexicalDocument
from indexer.store.interface import Forgotten, Keys, SourceReport
from indexer.store.manifest import (
    LEXICAL,
    REPAIR,
    VECTORS,
    WORK,
    DerivedFile,
    Manifest,
    VectorSegment,
    disk_errors,
    seal,
    sync,
)
from indexer.store.sqlite import SqliteStore
from indexer.vectors.factory import build_segment, measure_recall
from indexer.vectors.index import hidden_keys
from indexer.vectors.segments import Part, Segment, part_of, read_segment

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

    def __init__(
        self,
        backends: Backends,
        store: SqliteStore,
        encoder: Encoder,
        *,
        fresh: bool = False,
        moved: bool = False,
        weights: CodeWeights = CodeWeights(),  # noqa: B008 - it never changes
    ) -> None:
        self._folder = folder = backends.folder
        self._backend = backends.lexical
        self._store = store
        self._weights = astuple(weights)
        self._model, self._fingerprint = encoder.name, encoder.fingerprint
        with store.snapshot() as manifest:
            self._previous = self.manifest = manifest
        if fresh and manifest is not None:  # keep its number, none of its files
            self.manifest = manifest.model_copy(update={"lexical_files": (), "segments": (), "dead": None})
        with disk_errors(folder):
            self._tidy()
            self._lexical = backends.lexical_writer(manifest, fresh=fresh or moved)
        self._lexical_changed = fresh or moved
        self._removed: set[int] = set()
        self._new: dict[int, list[tuple[Keys, NDArray[np.float32]]]] = {}

    def close(self) -> None:
        """Drop what was not published from the derived indexes; the store keeps what it was given."""
        self._lexical.close()

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
            self._new.setdefault(depth, []).append((np.array(keys, dtype=np.int64), np.stack(vectors)))

    @property
    def pending(self) -> bool:
        """Whether anything waits to be published."""
        return bool(self._lexical_changed or self._new)

    @property
    def crowded(self) -> bool:
        """Whether as many vectors wait as may be held in memory."""
        return sum(len(keys) for waiting in self._new.values() for keys, _ in waiting) >= _WAITING

    def publish(self, change: SourceReport | Forgotten | None = None) -> Manifest:
        """Move the generation; everything it names is on the disk before it is named.

        Raises EnvironmentFailed where that cannot be; the old generation then stays, and this publisher is of no
        more use.
        """
        with disk_errors(self._folder):
            manifest = self._write((self.manifest.generation if self.manifest else 0) + 1)
            self._store.publish(manifest, self._removed, change)
            self._previous, self.manifest = self.manifest, manifest
            self._removed, self._new, self._lexical_changed = set(), {}, False
            self._tidy()
        self._lexical.settle(manifest.generation)
        return manifest

    def held_keys(self, depth: int) -> Keys:
        """Return the keys in published segments of a depth or more, ascending."""
        return _joined([segment.keys for entry, segment in self._segments() if entry.depth >= depth])

    def _write(self, generation: int) -> Manifest:
        """Write the derived files of a generation durably and name them."""
        removed = sorted(self._removed)
        documents = self._store.count_after(removed)
        lexical, lexical_files = self._freeze_lexical(generation, documents)
        segments, dead, recall = self._write_vectors(generation, self._store.unit_keys(removed))
        held = [(segment.keys, entry.depth) for entry, segment in segments]
        manifest = Manifest(
            generation=generation,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            documents=documents,
            depths=_depths(held, dead),
            model=self._model,
            fingerprint=self._fingerprint,
            backend=self._backend,
            lexical=lexical,
            lexical_files=lexical_files,
            segments=tuple(entry for entry, _ in segments),
            dead=self._write_dead(generation, dead),
            recall=recall,
            weights=self._weights,
        )
        for folder in (self._folder / LEXICAL, self._folder / VECTORS, self._folder):
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

    def _write_vectors(self, generation: int, gone: Keys) -> tuple[_Held, Keys, float | None]:
        """Write the waiting vectors with what they absorb; return the segments, the dead keys in them, the recall.

        Vectors of one depth are one another's company; the deepest segments come first.
        """
        held = self._segments()
        dead = np.union1d(self._dead(), gone)
        segments: _Held = []
        written = []
        deeper = _NO_KEYS
        for depth in sorted({entry.depth for entry, _ in held} | self._new.keys(), reverse=True):
            hidden = np.union1d(dead, deeper)
            new = [part_of(keys, vectors, hidden) for keys, vectors in self._new.get(depth, ())]
            replaced = _joined([part.keys for part in new])
            kept, absorbed = self._choose([pair for pair in held if pair[0].depth == depth], new, hidden, replaced)
            old = np.union1d(hidden, replaced)
            parts = [part_of(segment.keys, segment.vectors, old) for _, segment in absorbed] + new
            parts = [part for part in parts if len(part.keys)]
            segments += kept
            if parts:
                entry, segment = self._write_segment(f"{generation}-{depth}", depth, parts)
                segments.append((entry, segment))
                written.append(segment)
            deeper = _joined([segment.keys for _, segment in segments])
        return segments, np.intersect1d(dead, deeper), self._recall(segments, written)

    def _recall(self, segments: _Held, written: Sequence[Segment]) -> float | None:
        """Return the recall of the largest segment: measured if it was written now, else what was said before."""
        if not segments:
            return None
        largest = max((segment for _, segment in segments), key=lambda segment: len(segment.keys))
        if any(segment is largest for segment in written):
            return measure_recall(largest)
        return self.manifest.recall if self.manifest else None

    def _write_segment(self, name: str, depth: int, parts: Sequence[Part]) -> tuple[VectorSegment, Segment]:
        segment = build_segment(self._folder / VECTORS / name, parts)
        files = seal(self._folder, segment.folder.iterdir(), {})
        sync(segment.folder)
        return VectorSegment(name=name, count=len(segment.keys), depth=depth, files=files), segment

    def _choose(self, held: _Held, new: Sequence[Part], hidden: Keys, replaced: Keys) -> tuple[_Held, _Held]:
        """Return the segments of a depth that stay and those that are written anew, without what is hidden in them.

        Of those that stay none has a key that is `replaced`: a key is in one segment of a depth only.
        """
        stale = sum(int(among(segment.keys, hidden).sum()) for _, segment in held)
        if stale and stale > _DEAD_SHARE * sum(entry.count for entry, _ in held):
            return [], held
        size = sum(len(part.keys) for part in new)
        kept, absorbed = [], []
        for entry, segment in sorted(held, key=lambda pair: pair[0].count):
            if size and (entry.count <= _ABSORB * size or among(replaced, segment.keys).any()):
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
        keep = {f"{LEXICAL}/{WORK}"}
        for manifest in (self.manifest, self._previous):
            if manifest is not None:
                keep |= {Path(entry.path).parent.as_posix() for entry in manifest.files()}
                keep |= {manifest.dead.path} if manifest.dead else set()
        for kind in (LEXICAL, VECTORS):
            for path in sorted((self._folder / kind).glob("*")):
                if path.relative_to(self._folder).as_posix() not in keep:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _joined(keys: Sequence[Keys]) -> Keys:
    return np.unique(np.concatenate([_NO_KEYS, *keys]))


def _depths(held: Sequence[tuple[Keys, int]], dead: Keys) -> dict[int, int]:
    """Return how many units have their deepest vectors at each depth."""
    counts: dict[int, int] = {}
    for (keys, depth), hidden in zip(held, hidden_keys(held, dead), strict=True):
        counts[depth] = counts.get(depth, 0) + len(keys) - int(among(keys, hidden).sum())
    return {depth: count for depth, count in sorted(counts.items()) if count}
