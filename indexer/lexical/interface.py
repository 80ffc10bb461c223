"""What every BM25 index can do. Terms come from `indexer.lexical.tokens`; keys are the store's unit keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.keys import among

# The fields of a unit.
FIELDS = ("name", "path", "docstring", "body")
# What a field holds that says nothing, and no text does: engines differ in whether empty fields count in the averages
# of BM25, and scores are to be the same.
NOTHING = "\N{BULLET}"
# What a match in a field is worth beside one in the body. Measured on the development sets, BM25 alone, NDCG@10 on web
# queries and on repository questions: names at 2.0 gave .350 and .581, names at 0.3 .412 and .632: what a name says
# stands in the body too, and a name's match is a signal of its own.
FIELD_WEIGHTS: Mapping[str, float] = {"name": 0.3, "path": 0.3, "docstring": 0.4, "body": 1.0}


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


@dataclass(frozen=True, slots=True)
class Frozen:
    """A state that was written: `name` is its folder below the index's, or the index of a cluster that has it.

    `files` are those it is made of, `documents` counts its units.
    """

    name: str
    files: tuple[Path, ...]
    documents: int


class LexicalIndex(Protocol):
    """A readable BM25 index of one generation."""

    def search(self, terms: Mapping[str, float], limit: int, within: NDArray[np.int64] | None = None) -> Ranked:
        """Return the best `limit` units that hold any of the weighted terms; `within` restricts the keys."""

    def containing(self, terms: Sequence[str]) -> NDArray[np.int64]:
        """Return the keys of all units that hold every one of the terms, each in any field, ascending."""

    def frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """Return in how many units' bodies each term occurs."""

    def __len__(self) -> int:
        """Return the number of units."""


class LexicalWriter(Protocol):
    """A BM25 index being written; nothing is visible to readers before `freeze`."""

    def add(self, document: LexicalDocument) -> None:
        """Add one unit."""

    def remove_file(self, file: int) -> None:
        """Remove all units of a file."""

    def freeze(self, generation: int) -> Frozen:
        """Write the present state durably, as what a generation is to have. Writing can go on."""

    def settle(self, generation: int) -> None:
        """Note that a generation was published: what no reader needs any more may go."""

    def close(self) -> None:
        """Stop writing and drop what was not frozen."""


def filtered(ranked: Callable[[int], Ranked], total: int, limit: int, within: NDArray[np.int64]) -> Ranked:
    """Return the best `limit` units among `within`, from a search that cannot be restricted to so many keys.

    It is widened until enough of its hits are allowed, or there are no more among `total`.
    """
    wanted = limit
    while True:
        wanted = min(total, wanted * 4)
        found = ranked(wanted)
        allowed = among(found.keys, within)
        if allowed.sum() >= limit or len(found.keys) < wanted or wanted == total:
            return Ranked(found.keys[allowed][:limit], found.scores[allowed][:limit])
