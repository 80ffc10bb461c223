"""Exit 0: a text's vector is a weighted sum of its tokens' vectors, out of a table. No transformer.

What a token weighs is the length of its row; a row of zeros says nothing. What a text says first (its heading, its
signature) and what it says often weigh more, as the file's pooling has it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from indexer.encoder.interface import Ids, Vectors
from indexer.errors import ModelDamaged

# More than the words of any vocabulary.
_TOKEN_BITS = 24


@dataclass(frozen=True, slots=True)
class Pooling:
    """What the tokens of a text weigh in its sum: (the sum of the weights of a token's places) to the power of `power`.

    Place i, from 0, weighs 1 + front · exp(-i / decay). A power below 1 keeps what is repeated from drowning the rest,
    as the saturation of BM25 does; front 0 and power 1 are the plain sum.
    """

    front: float = 0.0
    decay: float = 1.0
    power: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.front < math.inf and 0 < self.decay < math.inf and 0 < self.power <= 1):
            raise ValueError(f"{self}: no such pooling")

    def weigh(self, texts: Sequence[Ids]) -> Weighed:
        """Return the tokens of texts, each once a text, and what each weighs there. Ids are below 2**24."""
        lengths = np.array([len(ids) for ids in texts], dtype=np.int64)
        flat = np.concatenate([np.empty(0, np.int64), *texts])
        owner = np.repeat(np.arange(len(texts)), lengths)
        place = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        both = owner << _TOKEN_BITS | flat
        order = np.argsort(both, kind="stable")
        both = both[order]
        first = np.flatnonzero(np.diff(both, prepend=-1))
        at_place = 1 + self.front * np.exp(-np.arange(lengths.max(initial=0)) / self.decay)
        sums = np.add.reduceat(at_place[place[order]], first) if len(first) else np.empty(0)
        starts = np.searchsorted(both[first] >> _TOKEN_BITS, np.arange(len(texts) + 1))
        return Weighed(both[first] & (1 << _TOKEN_BITS) - 1, (sums**self.power).astype(np.float32), starts)


@dataclass(frozen=True, slots=True)
class Weighed:
    """Tokens of n texts with their weights: those of text i are `tokens[starts[i]:starts[i + 1]]`, ascending.

    `tokens` and `weights` are of one length, `starts` (n + 1,).
    """

    tokens: NDArray[np.int64]
    weights: Vectors
    starts: NDArray[np.int64]


# The sum of all tokens' rows.
PLAIN = Pooling()


class StaticExit:
    """A token table in a file, read at first use."""

    def __init__(self, path: Path, dimension: int, shares: Mapping[int, float] | None = None) -> None:
        """`shares` say what its vectors weigh beside those of a deeper exit, by depth."""
        self._path, self._shares = path, shares or {}
        self._dimension = dimension
        self._lock = threading.Lock()
        self._read: tuple[Vectors, Pooling] | None = None

    def beside(self, deeper: Vectors, token_ids: Sequence[Ids], depth: int) -> Vectors:
        """Return the vectors (n, dim) of the exit at `depth` with its share of the texts' own here added, of norm 1."""
        share = self._shares.get(depth, 0.0)
        if not share:
            return deeper
        joined: Vectors = deeper + np.float32(share) * self.encode(token_ids)
        # A share below 1 leaves something even of opposite vectors.
        joined /= np.linalg.norm(joined, axis=1, keepdims=True)
        return joined

    def encode(self, token_ids: Sequence[Ids]) -> Vectors:
        """Return vectors (n, dim) of norm 1; a text of which no token says anything gets the first direction."""
        table, pooling = self._table()
        result = np.zeros((len(token_ids), table.shape[1]), dtype=np.float32)
        texts = pooling.weigh(token_ids)
        if texts.tokens.max(initial=0) >= len(table):
            raise ModelDamaged(f"the model file {self._path} has {len(table)} words, the tokenizer more")
        # Rows are gathered into the same memory for each text: fresh memory would take as long as the sum.
        held = np.empty((np.diff(texts.starts).max(initial=0), table.shape[1]), dtype=np.float32)
        for row, (start, end) in enumerate(pairwise(texts.starts.tolist())):
            gathered = held[: end - start]
            np.take(table, texts.tokens[start:end], axis=0, out=gathered, mode="clip")
            np.matmul(texts.weights[start:end], gathered, out=result[row])
        norms = np.linalg.norm(result, axis=1, keepdims=True)
        result[norms[:, 0] == 0, 0] = 1
        result /= np.where(norms > 0, norms, 1)
        return result

    def _table(self) -> tuple[Vectors, Pooling]:
        with self._lock:
            if self._read is None:
                self._read = read_table(self._path, self._dimension)
            return self._read


def read_table(path: Path, dimension: int) -> tuple[Vectors, Pooling]:
    """Return the table (words, dim) of a file, and how it is summed; raise ModelDamaged for what is not one."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            table: Vectors = archive["table"].astype(np.float32) * archive["scales"]
            # A file of the time before has none: its sums are plain.
            pooling = Pooling(*archive["pooling"].astype(float).tolist()) if "pooling" in archive.files else PLAIN
    except (KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
        raise ModelDamaged(f"the model file {path} holds no token table ({error})") from error
    if table.ndim != 2 or table.shape[1] != dimension or not len(table):
        shape = " × ".join(map(str, table.shape))
        raise ModelDamaged(f"the model file {path} is {shape} where {dimension} are said")
    return table, pooling


def write_table(path: Path, table: Vectors, pooling: Pooling) -> None:
    """Write a table (words, dim) in 8 bits, a scale a word."""
    scales = (np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-9) / 127).astype(np.float32)
    whole = np.rint(table / scales).astype(np.int8)
    how = np.array([pooling.front, pooling.decay, pooling.power])
    np.savez(path, table=whole, scales=scales, pooling=how, allow_pickle=False)
