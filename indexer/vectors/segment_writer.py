"""Writing the vectors of generations as segments in files: what waits is merged with what it outgrows.

Immutable segments are named by manifests; what no manifest names is removed. How they are searched is not known here.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer.keys import among
from indexer.store.manifest import VECTORS, DerivedFile, Manifest, VectorSegment, seal, sync
from indexer.vectors.factory import build_segment, measure_recall
from indexer.vectors.index import hidden_keys
from indexer.vectors.interface import FrozenVectors, Keys, Vectors
from indexer.vectors.segments import Part, Segment, part_of, read_segment

# A new segment absorbs those up to this many times its size: each vector is rewritten O(log n) times.
_ABSORB = 2
# Beyond this share of dead vectors everything is written anew.
_DEAD_SHARE = 0.2
# Vectors that may wait for the next generation: 50 MB at 384 dimensions.
_WAITING = 32_768

_NO_KEYS: Keys = np.empty(0, np.int64)

_Held = list[tuple[VectorSegment, Segment]]


class SegmentWriter:
    """Writes what comes with the next generation into segments below `folder`."""

    def __init__(self, folder: Path, manifest: Manifest | None, *, fresh: bool) -> None:
        """Go on from a generation's segments, or begin without any."""
        self._root, self._folder = folder, folder / VECTORS
        self._previous = self._manifest = manifest
        if fresh and manifest is not None:
            self._manifest = manifest.model_copy(update={"segments": (), "dead": None})
        self._new: dict[int, list[tuple[Keys, Vectors]]] = {}
        self._tidy()

    def add(self, keys: Keys, vectors: Vectors, depth: int) -> None:
        """Add unit vectors (n, dim) of norm 1 made at a depth; each takes the place of one that is no deeper."""
        self._new.setdefault(depth, []).append((keys, vectors))

    @property
    def pending(self) -> bool:
        """Whether anything waits to be frozen."""
        return bool(self._new)

    @property
    def crowded(self) -> bool:
        """Whether as many vectors wait as may be held in memory."""
        return sum(len(keys) for waiting in self._new.values() for keys, _ in waiting) >= _WAITING

    def freeze(self, generation: int, gone: Keys) -> FrozenVectors:
        """Write the waiting vectors with what they absorb, and name all segments.

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
        dead = np.intersect1d(dead, deeper)
        frozen = FrozenVectors(
            depths=_depths([(segment.keys, entry.depth) for entry, segment in segments], dead),
            recall=self._recall(segments, written),
            segments=tuple(entry for entry, _ in segments),
            dead=self._write_dead(generation, dead),
        )
        if self._folder.is_dir():
            sync(self._folder)
        return frozen

    def settle(self, manifest: Manifest) -> None:
        """Go on from a generation that was published; remove what neither it nor the one before it names."""
        self._previous, self._manifest = self._manifest, manifest
        self._new = {}
        self._tidy()

    def held(self, depth: int) -> Keys:
        """Return the keys in published segments of a depth or more, ascending."""
        return _joined([segment.keys for entry, segment in self._segments() if entry.depth >= depth])

    def close(self) -> None:
        """Drop what was not frozen."""
        self._new = {}

    def _recall(self, segments: _Held, written: Sequence[Segment]) -> float | None:
        """Return the recall of the largest segment: measured if it was written now, else what was said before."""
        if not segments:
            return None
        largest = max((segment for _, segment in segments), key=lambda segment: len(segment.keys))
        if any(segment is largest for segment in written):
            return measure_recall(largest)
        return self._manifest.recall if self._manifest else None

    def _write_segment(self, name: str, depth: int, parts: Sequence[Part]) -> tuple[VectorSegment, Segment]:
        segment = build_segment(self._folder / name, parts)
        files = seal(self._root, segment.folder.iterdir(), {})
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
        entries = self._manifest.segments if self._manifest else ()
        return [(entry, read_segment(self._folder / entry.name)) for entry in entries]

    def _dead(self) -> Keys:
        if self._manifest is None or self._manifest.dead is None:
            return _NO_KEYS
        dead: Keys = np.load(self._root / self._manifest.dead.path, allow_pickle=False)
        return dead

    def _write_dead(self, generation: int, dead: Keys) -> DerivedFile | None:
        if not len(dead):
            return None
        path = self._folder / f"dead-{generation}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, dead, allow_pickle=False)
        return seal(self._root, [path], {})[0]

    def _tidy(self) -> None:
        keep = set()
        for manifest in (self._manifest, self._previous):
            if manifest is not None:
                keep |= {entry.name for entry in manifest.segments}
                keep |= {Path(manifest.dead.path).name} if manifest.dead else set()
        for path in sorted(self._folder.glob("*")):
            if path.name not in keep:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _joined(keys: Sequence[Keys]) -> Keys:
    return np.unique(np.concatenate([_NO_KEYS, *keys]))


def _depths(held: Sequence[tuple[Keys, int]], dead: Keys) -> dict[int, int]:
    """Return how many units have their deepest vectors at each depth."""
    counts: dict[int, int] = {}
    for (keys, depth), hidden in zip(held, hidden_keys(held, dead), strict=True):
        counts[depth] = counts.get(depth, 0) + len(keys) - int(among(keys, hidden).sum())
    return {depth: count for depth, count in sorted(counts.items()) if count}
