"""What every encoder can do. A depth is how many layers of the model a text passes; vectors have norm 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.errors import UsageError

Ids = NDArray[np.int32]
Vectors = NDArray[np.float32]


class Tokens:
    """A text's token ids, without special tokens, and the character at which each starts."""

    __slots__ = ("_starts", "ids")

    def __init__(self, ids: Ids, starts: Ids | Callable[[], Ids]) -> None:
        """Take ids, and starts or what works them out: most texts fit a window, and nobody asks."""
        self.ids = ids
        self._starts = starts

    @property
    def starts(self) -> Ids:
        """The character (tokens,) at which each token starts; ask once."""
        return self._starts() if callable(self._starts) else self._starts


class Encoder(Protocol):
    """A model with one or more exits, all of whose vectors lie in one space.

    Vectors of different `fingerprint` must never be compared. `window` is how many tokens of text
    one vector can cover, `block_scorer` (dimension,) what tells the blocks of a long text that matter, if there is one.
    `query_prompt` and `document_prompt` are what the model wants before a query, and before code; most want nothing.
    """

    name: str
    fingerprint: str
    dimension: int
    depths: tuple[int, ...]
    window: int
    block_scorer: Vectors | None
    query_prompt: str
    document_prompt: str

    @property
    def shortage(self) -> str:
        """What was made smaller for want of memory so far, in words; empty where nothing was."""

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of texts of any length, none dropped."""

    def encode(self, token_ids: Sequence[Ids], depth: int) -> Vectors:
        """Return vectors (n, dimension) in the order given, each independent of the others' presence.

        Raises OutOfMemory for a text that does not fit into memory alone.
        """


def check_depth(depth: int, depths: tuple[int, ...]) -> None:
    """Raise UsageError, with the list, for a depth at which the model has no exit."""
    if depth not in depths:
        raise UsageError(f"the model has no exit at depth {depth}; it has {', '.join(map(str, depths))}")


def check_window(token_ids: Sequence[Ids], window: int) -> None:
    """Raise UsageError for a block that does not fit the window: nothing is cut off in silence."""
    longest = max(map(len, token_ids), default=0)
    if longest > window:
        raise UsageError(f"a block has {longest} tokens and the model's window {window}; cut it into blocks first")
