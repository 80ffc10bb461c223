"""Vectors of single words at exit 0, and how near the words of one text come to those of another.

Late interaction after ColBERT (MaxSim), with the static exit in place of contextual token vectors: a word is looked
up, not encoded, once it has been seen. Identifiers are divided into their words.

Vectors are whole numbers from -127 to 127: sums of their products are exact in 32-bit floats, in whatever order and
company they are added up, so that an answer does not depend on what was asked before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.encoder.interface import Encoder, Vectors
from indexer.style.identifiers import split_identifier

# Words kept, some 16 MB; what was kept is forgotten when there are more.
_KEPT = 40_000
_FIRST_ROWS = 1_024
# Multiplications of one matrix product: for more OpenBLAS wakes its threads, which on a busy machine takes ten times as
# long as the product.
_ONE_THREAD = 250_000


class _Kept:
    """Words seen so far: what each consists of, and a vector for each part."""

    def __init__(self, dimension: int) -> None:
        self.parts_of: dict[str, tuple[int, ...]] = {}
        self.rows: dict[str, int] = {}
        self.vectors = np.empty((_FIRST_ROWS, dimension), np.int8)

    def add(self, words: Iterable[str], encoder: Encoder) -> None:
        """Look up what is new of some words."""
        divided = {word: tuple(filter(_tells, (part.lower() for part in split_identifier(word)))) for word in words}
        new = list(dict.fromkeys(part for parts in divided.values() for part in parts if part not in self.rows))
        if new:
            first = len(self.rows)
            self._reserve(first + len(new))
            self.vectors[first : first + len(new)] = _whole(_encoded(encoder, new))
            self.rows.update(zip(new, range(first, first + len(new)), strict=True))
        # Last: whoever finds a word here finds its parts.
        self.parts_of.update((word, tuple(self.rows[part] for part in parts)) for word, parts in divided.items())

    def vector(self, word: str) -> Vectors:
        """Return the sum of a word's parts, or zeros where it has none."""
        total: Vectors = self.vectors[list(self.parts_of[word])].sum(axis=0, dtype=np.float32)
        whole: Vectors = _whole(total[None])[0]
        return whole

    def _reserve(self, count: int) -> None:
        if count > len(self.vectors):
            grown = np.empty((max(count, 2 * len(self.vectors)), self.vectors.shape[1]), np.int8)
            grown[: len(self.vectors)] = self.vectors
            self.vectors = grown


class WordVectors:
    """Compares texts word by word; safe to share between threads."""

    def __init__(self, encoder: Encoder) -> None:
        """Take an encoder that has an exit 0."""
        self._encoder, self._lock = encoder, threading.Lock()
        self._kept = _Kept(encoder.dimension)

    def nearest(self, query: Sequence[str], texts: Sequence[Iterable[str]]) -> NDArray[np.float32]:
        """Return, for each text (rows) and each word of the query, the greatest cosine with any word of the text.

        Words are as written. A query's identifier is compared as the sum of its parts; a text without words gives 0.
        """
        distinct = [set(text) for text in texts]
        kept = self._known(set(query).union(*distinct))
        rows = [np.array(sorted({row for word in text for row in kept.parts_of[word]}), np.int64) for text in distinct]
        result = np.zeros((len(texts), len(query)), np.float32)
        filled = [place for place, found in enumerate(rows) if len(found)]
        if not filled or not query:
            return result
        asked = np.stack([kept.vector(word) for word in query])
        wanted, places = np.unique(np.concatenate([rows[place] for place in filled]), return_inverse=True)
        cosines = _cosines(kept.vectors[wanted].astype(np.float32), asked)[places]
        lengths = np.array([len(rows[place]) for place in filled])
        result[filled] = np.maximum.reduceat(cosines, np.cumsum(lengths) - lengths, axis=0)
        return result

    def _known(self, words: set[str]) -> _Kept:
        """Return the words kept, among them all of these."""
        kept = self._kept
        if all(word in kept.parts_of for word in words):
            return kept
        with self._lock:
            if len(self._kept.rows) > _KEPT or len(self._kept.parts_of) > 4 * _KEPT:
                # Who is reading the old ones goes on with them.
                self._kept = _Kept(self._encoder.dimension)
            self._kept.add([word for word in words if word not in self._kept.parts_of], self._encoder)
            return self._kept


def _whole(vectors: Vectors) -> Vectors:
    """Return vectors scaled so that the greatest component of each is 127, and rounded."""
    most = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    scaled: Vectors = np.rint(vectors * (127 / np.where(most > 0, most, 1)))
    return scaled


def _cosines(left: Vectors, right: Vectors) -> Vectors:
    """Return the cosines (n, m) of rows of whole numbers; those of zeros are 0."""
    norms = [np.sqrt(np.einsum("ij,ij->i", side, side)) for side in (left, right)]
    step = max(1, _ONE_THREAD // right.size)
    parts = [left[first : first + step] @ right.T for first in range(0, len(left), step)]
    result: Vectors = np.concatenate(parts) / np.maximum(1, norms[0][:, None] * norms[1][None])
    return result


def _tells(part: str) -> bool:
    """Tell whether a part of a word means something: letters alone and numbers do not."""
    return len(part) > 1 and not part.isdigit()


def _encoded(encoder: Encoder, words: Sequence[str]) -> Vectors:
    ids = [tokens.ids[: encoder.window] for tokens in encoder.tokenise(words)]
    return encoder.encode(ids, 0)
