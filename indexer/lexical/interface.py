"""What every BM25 index can do. Terms come from `indexer.lexical.tokens`; keys are the store's unit keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# The fields of a unit and what a match in each is worth.
FIELDS = ("name", "path", "docstring", "body")


@dataclass(frozen=True, slots=True)
class LexicalDocument:
    """A unit's terms by field, each joined by spaces, under its key and its file's key."""

    key: int
    file: int
    name: str
    path: str
    docstring: str
    body: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """Units in falling order of score: `keys` int64 and `scores` float32, of equal length."""

    keys: NDArray[np.int64]
    scores: NDArray[np.float32]


class LexicalIndex(Protocol):
    """A readable BM25 index of one generation."""

    def search(self, terms: Mapping[str, float], limit: int, within: NDArray[np.int64] | None = None) -> Ranked:
        """Return the best `limit` units that hold any of the weighted terms; `within` restricts the keys."""

    def containing(self, terms: Sequence[str]) -> NDArray[np.int64]:
        """Return the keys of all units that hold every one of the terms, each in any field, ascending."""

    def frequency(self, term: str) -> int:
        """Return in how many units' bodies the term occurs."""

    def __len__(self) -> int:
        """Return the number of units."""


class LexicalWriter(Protocol):
    """A BM25 index being written; nothing is visible to readers before `freeze`."""

    def add(self, document: LexicalDocument) -> None:
        """Add one unit."""

    def remove_file(self, file: int) -> None:
        """Remove all units of a file."""

    def freeze(self, folder: Path) -> list[Path]:
        """Write the present state into a new folder, durably; return its files. Writing can go on."""

    def close(self) -> None:
        """Stop writing and drop what was not frozen."""
