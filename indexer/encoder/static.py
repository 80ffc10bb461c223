"""Exit 0: a text's vector is the sum of its tokens' vectors, out of a table. No transformer.

What a token weighs is the length of its row; a row of zeros says nothing and is not summed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer.encoder.interface import Ids, Vectors
from indexer.errors import ModelDamaged


class StaticExit:
    """A token table in a file, read at first use: who only searches never needs it."""

    def __init__(self, path: Path, dimension: int) -> None:
        self._path = path
        self._dimension = dimension
        self._lock = threading.Lock()
        self._table: Vectors | None = None

    def encode(self, token_ids: Sequence[Ids]) -> Vectors:
        """Return vectors (n, dim) of norm 1; a text of which no token says anything gets the first direction."""
        table = self._read()
        result = np.zeros((len(token_ids), table.shape[1]), dtype=np.float32)
        for row, ids in enumerate(token_ids):
            table[ids].sum(axis=0, out=result[row])
        norms = np.linalg.norm(result, axis=1, keepdims=True)
        result[norms[:, 0] == 0, 0] = 1
        result /= np.where(norms > 0, norms, 1)
        return result

    def _read(self) -> Vectors:
        with self._lock:
            if self._table is None:
                with np.load(self._path, allow_pickle=False) as archive:
                    table: Vectors = archive["table"].astype(np.float32) * archive["scales"]
                if table.ndim != 2 or table.shape[1] != self._dimension:
                    shape = " × ".join(map(str, table.shape))
                    raise ModelDamaged(f"the model file {self._path} is {shape} where {self._dimension} are said")
                self._table = table
            return self._table
