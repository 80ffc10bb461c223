"""Units as both indexes take them: their code with what was written from it, as terms and as vectors.

Nothing is generated and nothing published here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from indexer.batching import batched
from indexer.combining import CodeWeights, code_text, code_vector
from indexer.encoder.interface import Encoder, Vectors
from indexer.encoder.units import embed_texts
from indexer.lexical.interface import LexicalDocument
from indexer.lexical.tokens import index_terms
from indexer.store.interface import CodeRewriting, Store
from indexer.types import Unit

# Units looked up, and texts encoded, together.
_LOOKED_UP, _ENCODED = 500, 128


def expanded(text: str, written: CodeRewriting | None, weights: CodeWeights) -> str:
    """Return the text of a unit as BM25 has it, and as the signals that read texts do."""
    if written is None:
        return text
    return code_text(text, (written.code,) if written.code else (), written.purpose, weights)


def lexical_document(key: int, file_key: int, unit: Unit, text: str) -> LexicalDocument:
    """Return a unit as BM25 has it, with a text in place of its own."""
    names = index_terms(unit.symbol), index_terms(unit.path), index_terms(unit.docstring)
    return LexicalDocument(key, file_key, *names, index_terms(text))


class Expansion:
    """What was written for the units of a store, staged or published, and with which weights it counts."""

    def __init__(self, store: Store, encoder: Encoder, weights: CodeWeights) -> None:
        self._store, self._encoder, self._weights = store, encoder, weights
        self._plain = weights.rewritten == weights.purpose == 0

    def written(self, keys: Sequence[int]) -> dict[int, CodeRewriting]:
        """Return what was written for units and counts."""
        return {} if self._plain else self._store.rewritings(keys, staged=True)

    def body(self, text: str, written: CodeRewriting) -> str:
        """Return the terms of a unit's text and what was written for it."""
        return index_terms(expanded(text, written, self._weights))

    def documents(self, units: Iterable[tuple[int, int, Unit]]) -> Iterator[LexicalDocument]:
        """Yield the document of each (file key, unit key, unit)."""
        for batch in batched(units, _LOOKED_UP):
            written = self.written([key for _, key, _ in batch])
            for file_key, key, unit in batch:
                text = expanded(unit.text, written.get(key), self._weights)
                yield lexical_document(key, file_key, unit, text)

    def vectors(self, keys: Sequence[int], originals: Sequence[Vectors], depth: int) -> list[Vectors]:
        """Return the vectors (dim,) of units, at a depth, with those of what was written for them."""
        written = self.written(keys)
        made = self._made({each.key: each for each in written.values()}, depth)
        return [
            self._mixed(original, made[written[key].key]) if key in written else original
            for key, original in zip(keys, originals, strict=True)
        ]

    def _mixed(self, original: Vectors, made: Vectors) -> Vectors:
        purpose, *code = made
        return code_vector(original, code, purpose, self._weights)

    def _made(self, written: dict[int, CodeRewriting], depth: int) -> dict[int, Vectors]:
        """Return the vectors (texts, dim) of rewritings, purpose first; those that are missing are made and kept."""
        made = self._store.rewriting_vectors(list(written), depth)
        for batch in batched((each for each in written.values() if each.key not in made), _ENCODED):
            vectors = embed_texts(self._encoder, [text for each in batch for text in each.texts], depth)
            new = {each.key: np.stack([next(vectors) for _ in each.texts]) for each in batch}
            self._store.save_rewriting_vectors(new, depth)
            # As they are kept: what is built from the store is the same.
            made |= {key: each.astype(np.float16).astype(np.float32) for key, each in new.items()}
        return made
