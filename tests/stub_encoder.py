"""An encoder without a model for tests: seeded token vectors and their mean. Nothing here is random twice."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from indexer.encoder.interface import Ids, Tokens, Vectors, check_depth, check_window

_TOKEN = re.compile(r"\w+|[^\w\s]")
# Token 0 stands for a text without tokens.
_EMPTY = np.zeros(1, dtype=np.int32)


class StubEncoder:
    """Texts that share words have like vectors; a depth changes the vector a little, not the space."""

    def __init__(self, dimension: int = 64, window: int = 32, depths: tuple[int, ...] = (0, 6)) -> None:
        self.name = "stub"
        self.fingerprint = f"stub-{dimension}-{window}"
        self.dimension = dimension
        self.depths = depths
        self.window = window
        self.block_scorer: Vectors | None = None
        self.query_prompt = self.document_prompt = self.shortage = ""

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Return words and marks, in lower case, with the characters at which they start."""
        return [_tokens(text) for text in texts]

    def encode(self, token_ids: Sequence[Ids], depth: int) -> Vectors:
        """Return the normalised means (n, dimension) of the tokens' vectors."""
        check_depth(depth, self.depths)
        check_window(token_ids, self.window)
        rows = [self._mean(ids, depth) for ids in token_ids]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.dimension)

    def _mean(self, ids: Ids, depth: int) -> Vectors:
        vectors = [self._token(int(token)) for token in (ids if len(ids) else _EMPTY)]
        mean = np.mean(vectors, axis=0) + 0.01 * depth * self._token(-depth - 1)
        return (mean / np.linalg.norm(mean)).astype(np.float32)

    def _token(self, token: int) -> Vectors:
        return np.random.default_rng([abs(token), int(token < 0)]).standard_normal(self.dimension).astype(np.float32)


def _tokens(text: str) -> Tokens:
    found = list(_TOKEN.finditer(text))
    ids = np.array([_token_id(match[0].lower()) for match in found], dtype=np.int32)
    return Tokens(ids, np.array([match.start() for match in found], dtype=np.int32))


def _token_id(word: str) -> int:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "little") % (2**31 - 1) + 1
