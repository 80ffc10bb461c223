"""Segments on disk: keys ascending and their unit vectors in half precision, written once.

A segment is a folder of `keys.npy`, `vectors.npy` and, where it is large, the first pass's codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import write_array_header_2_0
from numpy.typing import NDArray

from indexer.errors import IndexDamaged
from indexer.vectors.interface import Keys, Vectors

KEYS_FILE = "keys.npy"
VECTORS_FILE = "vectors.npy"
# Vectors handled at a time wherever a whole segment is read: 13 MB of float32 at 384 dimensions.
CHUNK = 8_192


@dataclass(frozen=True, slots=True)
class Segment:
    """`keys` (n,) int64 ascending and `vectors` (n, dim) float16, mapped from the disk."""

    folder: Path
    keys: Keys
    vectors: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Part:
    """Vectors on their way into a segment: `keys` (n,) ascending, and the rows of `vectors` that are theirs."""

    keys: Keys
    rows: NDArray[np.int64]
    vectors: NDArray[np.floating[Any]]


def part_of(keys: Keys, vectors: NDArray[np.floating[Any]], dead: Keys) -> Part:
    """Return the vectors (n, dim) of keys in any order as a part, without the dead ones."""
    order = np.argsort(keys, kind="stable")
    rows = order[~np.isin(keys[order], dead)]
    return Part(keys[rows], rows, vectors)


def write_segment(folder: Path, parts: Sequence[Part]) -> Segment:
    """Write the vectors of all parts, no key twice, into a new folder.

    They pass through memory a chunk at a time. The file is written, not mapped: a full disk is an
    OSError, where a write into a mapping would end the process.
    """
    folder.mkdir(parents=True)
    keys = np.sort(np.concatenate([part.keys for part in parts]))
    np.save(folder / KEYS_FILE, keys, allow_pickle=False)
    shape = (len(keys), parts[0].vectors.shape[1])
    with (folder / VECTORS_FILE).open("wb") as stream:
        write_array_header_2_0(stream, {"descr": "<f2", "fortran_order": False, "shape": shape})
        for start in range(0, len(keys), CHUNK):
            stream.write(_rows(keys[start : start + CHUNK], parts, shape[1]).tobytes())
    return read_segment(folder)


def _rows(wanted: Keys, parts: Sequence[Part], dimension: int) -> NDArray[np.float16]:
    """Return the vectors of `wanted`, a run of the sorted keys of all parts."""
    result = np.empty((len(wanted), dimension), dtype=np.float16)
    for part in parts:
        first, last = np.searchsorted(part.keys, (wanted[0], wanted[-1] + 1))
        result[np.searchsorted(wanted, part.keys[first:last])] = part.vectors[part.rows[first:last]]
    return result


def chunks(segment: Segment) -> Iterator[tuple[int, Vectors]]:
    """Yield a segment's vectors as float32, with the position of the first of each chunk."""
    for start in range(0, len(segment.keys), CHUNK):
        yield start, segment.vectors[start : start + CHUNK].astype(np.float32)


def single(vectors: NDArray[np.float16], positions: Keys) -> Vectors:
    """Return the vectors (n, dim) at some positions as float32, by a table: numpy's conversion takes twice as long."""
    return _singles().take(vectors.take(positions, axis=0).view(np.uint16))


@cache
def _singles() -> Vectors:
    """Return every float16, by its bits, as float32."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def read_segment(folder: Path) -> Segment:
    """Open a segment; raise IndexDamaged if its files do not fit together."""
    try:
        keys = np.load(folder / KEYS_FILE, allow_pickle=False)
        vectors = np.load(folder / VECTORS_FILE, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    except (OSError, ValueError) as error:
        raise IndexDamaged(f"the vector segment {folder} cannot be read: {error}") from error
    shaped = keys.ndim == 1 and vectors.ndim == 2 and len(keys) == len(vectors)
    if not shaped or keys.dtype != np.int64 or vectors.dtype != np.float16:
        raise IndexDamaged(f"the vector segment {folder} holds keys {keys.shape} and vectors {vectors.shape}")
    return Segment(folder, keys, vectors)
