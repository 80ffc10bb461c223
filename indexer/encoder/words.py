"""Vectors of single words at exit 0, and how near the words of one text come to those of another.

Late interaction after ColBERT (MaxSim), with the static exit in place of contextual token vectors: a word is looked
up, not encoded, once it has been seen, and a text is cut into words once. Identifiers are divided into their words.

Vectors are whole numbers from -127 to 127: sums of their products are exact in 32-bit floats, in whatever order and
company they are added up, so that an answer does not depend on what was asked before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

from indexer.encoder.interface import Encoder, Vectors
from indexer.lexical.tokens import words
from indexer.style.identifiers import split_identifier

# Words kept, some 16 MB, and texts, some 20 MB; what was kept is forgotten when there are more.
_KEPT = 40_000
_KEPT_TEXTS = 40_000
_FIRST_ROWS = 1_024
# Multiplications of one matrix product: for more OpenBLAS wakes its threads, which on a busy machine takes ten times as
# long as the product.
_ONE_THREAD = 250_000

_Rows = NDArray[np.int32]


class _Kept:
    """Words seen so far: what each consists of, and a vector for each part with its length."""

    def __init__(self, dimension: int) -> None:
        self.parts_of: dict[str, tuple[int, ...]] = {}
        self.rows: dict[str, int] = {}
        self.texts: dict[bytes, _Rows] = {}
        self.vectors = np.empty((_FIRST_ROWS, dimension), np.int8)
        self.norms = np.empty(_FIRST_ROWS, np.float32)

    def add(self, said: Iterable[str], encoder: Encoder) -> None:
        """Look up what is new of some words."""
        fresh = [word for word in said if word not in self.parts_of]
        divided = {word: [part for part in map(str.lower, split_identifier(word)) if _tells(part)] for word in fresh}
        new = list(dict.fromkeys(part for parts in divided.values() for part in parts if part not in self.rows))
        if new:
            first, last = len(self.rows), len(self.rows) + len(new)
            self._reserve(last)
            found = _whole(_encoded(encoder, new))
            self.vectors[first:last], self.norms[first:last] = found, _norms(found)
            self.rows.update(zip(new, range(first, last), strict=True))
        # Last: whoever finds a word here finds its parts.
        self.parts_of.update((word, tuple(self.rows[part] for part in parts)) for word, parts in divided.items())

    def add_texts(self, texts: Mapping[bytes, str], encoder: Encoder) -> dict[bytes, _Rows]:
        """Cut up what is new of some texts, each under its digest; return the rows of all of them."""
        said = {digest: set(words(text)) for digest, text in texts.items() if digest not in self.texts}
        self.add(set().union(*said.values()), encoder)
        parts = self.parts_of
        found = {
            digest: np.array([*{row for word in spoken for row in parts[word]}], np.int32)
            for digest, spoken in said.items()
        }
        # A new dictionary where there are too many: who reads the old one goes on with it.
        known = self.texts if len(self.texts) <= _KEPT_TEXTS else {}
        rows = {digest: found[digest] if digest in found else self.texts[digest] for digest in texts}
        known.update(rows)
        self.texts = known
        return rows

    def vector(self, word: str) -> Vectors:
        """Return the sum of a word's parts, or zeros where it has none."""
        total: Vectors = self.vectors[list(self.parts_of[word])].sum(axis=0, dtype=np.float32)
        whole: Vectors = _whole(total[None])[0]
        return whole

    def _reserve(self, count: int) -> None:
        if count > len(self.vectors):
            size = max(count, 2 * len(self.vectors))
            vectors = np.empty((size, self.vectors.shape[1]), np.int8)
            norms = np.empty(size, np.float32)
            vectors[: len(self.vectors)], norms[: len(self.norms)] = self.vectors, self.norms
            self.vectors, self.norms = vectors, norms


class WordVectors:
    """Compares texts word by word; safe to share between threads."""

    def __init__(self, encoder: Encoder) -> None:
        """Take an encoder that has an exit 0."""
        self._encoder, self._lock = encoder, threading.Lock()
        self._kept = _Kept(encoder.dimension)

    def nearest(self, query: Sequence[str], texts: Sequence[str]) -> NDArray[np.float32]:
        """Return, for each text (rows) and each word of the query, the greatest cosine with any word of the text.

        A query's identifier is compared as the sum of its parts; a text without words gives 0.
        """
        result = np.zeros((len(texts), len(query)), np.float32)
        kept, rows = self._known(query, texts)
        filled = [place for place, found in enumerate(rows) if len(found)]
        if not filled or not query:
            return result
        asked = np.stack([kept.vector(word) for word in query])
        together = np.concatenate([rows[place] for place in filled])
        wanted, places = _distinct(together)
        cosines = _cosines(kept.vectors[wanted], kept.norms[wanted], asked)[places]
        lengths = np.array([len(rows[place]) for place in filled])
        result[filled] = np.maximum.reduceat(cosines, np.cumsum(lengths) - lengths, axis=0)
        return result

    def _known(self, query: Sequence[str], texts: Sequence[str]) -> tuple[_Kept, list[_Rows]]:
        """Return the words kept, the query's among them, and the rows of each text's words."""
        digests = [xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass")) for text in texts]
        kept = self._kept
        known = kept.texts
        rows = [known[digest] for digest in digests if digest in known]
        if len(rows) == len(digests) and all(word in kept.parts_of for word in query):
            return kept, rows
        with self._lock:
            if len(self._kept.rows) > _KEPT or len(self._kept.parts_of) > 4 * _KEPT:
                # Who is reading the old ones goes on with them.
                self._kept = _Kept(self._encoder.dimension)
            kept = self._kept
            kept.add(query, self._encoder)
            found = kept.add_texts(dict(zip(digests, texts, strict=True)), self._encoder)
            return kept, [found[digest] for digest in digests]


def _distinct(rows: _Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the different ones of some rows, ascending, and the place of each row among them."""
    places = np.zeros(int(rows.max()) + 1, np.int64)
    places[rows] = 1
    wanted = np.flatnonzero(places)
    places[wanted] = np.arange(len(wanted))
    return wanted, places[rows]


def _whole(vectors: Vectors) -> Vectors:
    """Return vectors scaled so that the greatest component of each is 127, and rounded."""
    most = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    scaled: Vectors = np.rint(vectors * (127 / np.where(most > 0, most, 1)))
    return scaled


def _norms(vectors: Vectors) -> Vectors:
    """Return the lengths (n,) of vectors; of zeros 1, which changes no product with them."""
    lengths: Vectors = np.maximum(1, np.sqrt(np.vecdot(vectors, vectors)))
    return lengths


def _cosines(left: NDArray[np.int8], norms: Vectors, right: Vectors) -> Vectors:
    """Return the cosines (n, m) of rows of whole numbers, given the lengths (n,) of the left; those of zeros are 0."""
    step = max(1, _ONE_THREAD // right.size)
    parts = [left[first : first + step].astype(np.float32) @ right.T for first in range(0, len(left), step)]
    result: Vectors = np.concatenate(parts) / (norms[:, None] * _norms(right)[None])
    return result


def _tells(part: str) -> bool:
    """Tell whether a part of a word means something: letters alone and numbers do not."""
    return len(part) > 1 and not part.isdigit()


def _encoded(encoder: Encoder, words: Sequence[str]) -> Vectors:
    ids = [tokens.ids[: encoder.window] for tokens in encoder.tokenise(words)]
    return encoder.encode(ids, 0)
