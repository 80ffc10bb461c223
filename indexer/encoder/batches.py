"""Texts through a model in batches: of one length each, and smaller ones where the machine lacks memory.

No model here, and nothing of what its libraries are called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from indexer.encoder.interface import Ids, Vectors
from indexer.errors import OutOfMemory

# Tokens of a batch: enough to fill the cores, small enough to stay in the cache and bound the memory.
BATCH_TOKENS = 2_048
# Special tokens that stand round a text.
_SPECIAL = 2
# How ONNX Runtime, torch (on a CPU and on a GPU) and the C++ library say that there is no memory left.
_SAID = ("allocate memory", "out of memory", "bad_alloc", "bad allocation", "cannot allocate")


class Batches:
    """Batches of at most so many tokens; once the machine lacked memory, of as many as it had room for.

    Safe to share between threads.
    """

    def __init__(self, tokens: int = BATCH_TOKENS) -> None:
        self._first = self._tokens = tokens

    @property
    def shortage(self) -> str:
        """What was made smaller for want of memory, in words; empty where nothing was."""
        if self._tokens == self._first:
            return ""
        return f"memory was short: batches of {self._tokens} tokens were encoded where {self._first} are usual"

    def encode(self, token_ids: Sequence[Ids], dimension: int, forward: Callable[[Sequence[Ids]], Vectors]) -> Vectors:
        """Return vectors (n, dimension) of texts in the order given; `forward` gets texts of one length.

        Padding would change the order of sums, and with it, after rounding to bytes, a text's vector. Raises
        OutOfMemory for a text that does not fit alone.
        """
        lengths = [len(ids) for ids in token_ids]
        order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
        result = np.empty((len(order), dimension), dtype=np.float32)
        first = 0
        while first < len(order):
            rows = self._batch(order, first, lengths)
            if self._fits(rows, token_ids, result, forward):
                first += len(rows)
            else:
                self._tokens = min(self._tokens, len(rows) // 2 * (lengths[rows[0]] + _SPECIAL))
        return result

    def _batch(self, order: Sequence[int], first: int, lengths: Sequence[int]) -> Sequence[int]:
        """Return the rows of the batch that begins at a place of the order."""
        length = lengths[order[first]]
        most = first + max(1, self._tokens // (length + _SPECIAL))
        last = first + 1
        while last < min(most, len(order)) and lengths[order[last]] == length:
            last += 1
        return order[first:last]

    def _fits(
        self,
        rows: Sequence[int],
        token_ids: Sequence[Ids],
        result: Vectors,
        forward: Callable[[Sequence[Ids]], Vectors],
    ) -> bool:
        """Encode some rows; return False where there was no memory for so many."""
        try:
            result[rows] = forward([token_ids[row] for row in rows])
        except Exception as error:
            if not lacks_memory(error):
                raise
            if len(rows) == 1:
                raise OutOfMemory(rows[0], len(token_ids[rows[0]])) from error
            return False
        return True


def lacks_memory(error: Exception) -> bool:
    """Tell whether an error says that memory could not be had: libraries have no common class for it."""
    return isinstance(error, MemoryError) or any(said in str(error).lower() for said in _SAID)
