"""Segments on disk: keys ascending and their unit vectors in half precision, written once.

A segment is a folder of `keys.npy`, `vectors.npy` and, where it is large, the first pass's codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from indexer.errors import IndexDamaged
from indexer.vectors.interface import Keys, Vectors

KEYS_FILE = "keys.npy"
VECTORS_FILE = "vectors.npy"


@dataclass(frozen=True, slots=True)
class Segment:
    """`keys` (n,) int64 ascending and `vectors` (n, dim) float16, mapped from the disk."""

    folder: Path
    keys: Keys
    vectors: NDArray[np.float16]


def write_segment(folder: Path, keys: Keys, vectors: Vectors) -> Segment:
    """Write a segment into a new folder; `keys` may come in any order."""
    folder.mkdir(parents=True)
    order = np.argsort(keys, kind="stable")
    np.save(folder / KEYS_FILE, np.asarray(keys, dtype=np.int64)[order], allow_pickle=False)
    stored = open_memmap(folder / VECTORS_FILE, mode="w+", dtype=np.float16, shape=vectors.shape)
    stored[:] = vectors[order]
    stored.flush()
    return read_segment(folder)


def read_segment(folder: Path) -> Segment:
    """Open a segment; raise IndexDamaged if its files do not fit together."""
    try:
        keys = np.load(folder / KEYS_FILE, allow_pickle=False)
        vectors = np.load(folder / VECTORS_FILE, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise IndexDamaged(f"the vector segment {folder} cannot be read: {error}") from error
    if keys.dtype != np.int64 or vectors.dtype != np.float16 or len(keys) != len(vectors):
        raise IndexDamaged(f"the vector segment {folder} holds {len(keys)} keys and {len(vectors)} vectors")
    return Segment(folder, keys, vectors)
