"""One vector a file, from the vectors of its units: what the file as a whole is about."""

from __future__ import annotations

import numpy as np

from indexer.store.interface import Catalogue
from indexer.vectors.interface import VectorIndex, Vectors
from indexer.vectors.segments import CHUNK


def file_vectors(vectors: VectorIndex, catalogue: Catalogue) -> Vectors:
    """Return (files, dim) vectors of norm 1, each the normalised sum of its units'; zeros where none has one."""
    sums: Vectors | None = None
    for start in range(0, len(catalogue.keys), CHUNK):
        part = vectors.vectors(catalogue.keys[start : start + CHUNK])
        files = catalogue.file[start : start + CHUNK]
        if sums is None:
            sums = np.zeros((len(catalogue.files), part.shape[1]), dtype=np.float32)
        # Units of a file have neighbouring keys: each run is summed at once.
        runs = np.flatnonzero(np.diff(files, prepend=-1))
        np.add.at(sums, files[runs], np.add.reduceat(part, runs, axis=0))
    if sums is None:
        return np.zeros((0, 0), dtype=np.float32)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    result: Vectors = np.divide(sums, norms, out=sums, where=norms > 0)
    return result
