"""What every store can do, and the rows that pass through it.

Only types: no database is named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.store.manifest import Fault, Manifest
from indexer.types import Block, Skipped, Unit

Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source that was indexed: what it was called, what it was, and its state when last read."""

    name: str
    kind: str
    location: str
    revision: str
    indexed_at: str


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the store remembers of a live file, to tell whether it changed."""

    key: int
    stamp: str
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A parsed file on its way into the store, with its units in order and the sketch of each."""

    repository: str
    path: str
    language: str
    stamp: str
    content_hash: bytes
    size: int
    parsed: bool
    redactions: int
    units: tuple[Unit, ...]
    sketches: tuple[bytes, ...]


class Head(NamedTuple):
    """A unit without its text: what ranking looks at, for hundreds of units a query.

    `sketch` tells near-duplicates (`indexer.splitting.likeness`); b"" for a unit too small to say. `file_units` is how
    many units its file has.
    """

    key: int
    id: str
    repository: str
    path: str
    language: str
    kind: str
    symbol: str
    start_line: int
    end_line: int
    documented: bool
    sketch: bytes = b""
    file_units: int = 0


@dataclass(frozen=True, slots=True)
class UnitVectors:
    """A unit's blocks with the key of each block's vector and, where new, the vector itself (dim,) float32.

    `depth` is that of the encoder at which all of them were made.
    """

    unit: int
    depth: int
    blocks: tuple[Block, ...]
    keys: tuple[bytes, ...]
    new: Mapping[bytes, NDArray[np.float32]]


def unit_vectors(
    unit: int, named: Sequence[tuple[int, bytes]], blocks: Sequence[tuple[Block, NDArray[np.float32]]]
) -> UnitVectors:
    """Return a unit's blocks and vectors, of which `named` has, in the same order, each one's depth and key."""
    names = tuple(name for _, name in named)
    vectors = dict(zip(names, (vector for _, vector in blocks), strict=True))
    return UnitVectors(unit, named[0][0], tuple(block for block, _ in blocks), names, vectors)


@dataclass(frozen=True, slots=True)
class CodeRewriting:
    """What `generator` wrote from a unit's text: one sentence, and `code` from that alone ("" where it wrote none)."""

    key: int
    generator: str
    purpose: str
    code: str

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that there are, the purpose first."""
        return (self.purpose, self.code) if self.code else (self.purpose,)


@dataclass(frozen=True, slots=True)
class NewRewriting:
    """What `generator` wrote from `text`, for the units, by id, that have this very text."""

    units: tuple[str, ...]
    text: str
    generator: str
    purpose: str
    code: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every live unit by what filters ask for: arrays of equal length, ascending by key.

    `file`, `kind` and `symbol` index `files`, whose entries are (repository, path, language), `kinds` and `symbols`.
    """

    keys: Keys
    file: NDArray[np.int32]
    kind: NDArray[np.int32]
    symbol: NDArray[np.int32]
    files: Sequence[tuple[str, str, str]]
    kinds: Sequence[str]
    symbols: Sequence[str]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of the published state."""

    sources: tuple[SourceRow, ...]
    languages: Mapping[str, tuple[int, int, int]]  # language → files, units, bytes
    skipped: Mapping[str, Mapping[str, int]]  # repository → reason → files
    files: int
    units: int
    blocks: int
    bytes: int
    redactions: int
    unparsed: int
    kinds: Mapping[str, int] = field(default_factory=dict)
    rewritten: int = 0


class StoreReader(Protocol):
    """The reading half of a store. Everything read inside one `snapshot` is of one generation."""

    def snapshot(self) -> AbstractContextManager[Manifest | None]:
        """Pin one state; yield its manifest, or None when nothing was published yet."""

    def units(self, keys: Sequence[int]) -> dict[int, Unit]:
        """Return whole units by key, verified; raise IndexDamaged for a row that is gone or altered."""

    def heads(self, keys: Sequence[int]) -> dict[int, Head]:
        """Return units without text by key, in the order of the keys; raise IndexDamaged for a row that is gone."""

    def key_of(self, unit_id: str) -> int | None:
        """Return the key of a live unit by its id."""

    def siblings(self, unit_id: str) -> list[Head]:
        """Return the units, without text, of the file that holds a live unit, in the order of their lines."""

    def unit_at(self, path: str, line: int, repository: str | None) -> list[int]:
        """Return the keys of the live units that hold this line of a path."""

    def texts(self, keys: Keys | None = None) -> Iterator[tuple[int, str]]:
        """Yield (key, text) of the live units, or of those named, ascending by key."""

    def blocks(self, keys: Sequence[int]) -> dict[int, list[tuple[Block, NDArray[np.float32]]]]:
        """Return the blocks of units with their vectors; units without vectors are left out."""

    def records(self) -> Iterator[tuple[FileRecord, list[int]]]:
        """Yield every live file as it was staged, with the keys of its units."""

    def stored_vectors(self, keys: Sequence[int]) -> dict[int, UnitVectors]:
        """Return the blocks of units with all their vectors, as they were saved; units without are left out."""

    def rewritings(self, keys: Sequence[int], *, staged: bool = False) -> dict[int, CodeRewriting]:
        """Return what was written for those of the units that have it, verified: by this generation, or the next one.

        Raises IndexDamaged for a row that is gone or altered.
        """

    def catalogue(self) -> Catalogue:
        """Return every live unit by its filterable fields."""

    def sources(self) -> tuple[SourceRow, ...]:
        """Return the sources by name."""

    def statistics(self) -> Statistics:
        """Return counts of the published state."""

    def skipped(self, repository: str | None = None) -> Iterator[Skipped]:
        """Yield the files that are not indexed, with the reason."""

    def faults(self) -> list[Fault]:
        """Verify every row; return what is wrong."""


class StoreWriter(Protocol):
    """The writing half. The caller holds the writer lock; nothing is visible before `publish`."""

    def known_files(self, repository: str) -> dict[str, KnownFile]:
        """Return the repository's live files by path."""

    def announce(self, source: SourceRow) -> None:
        """Note a source that is about to be read for the first time, so that it can be shown and removed."""

    def stage(self, records: Iterable[FileRecord]) -> list[tuple[int, list[int]]]:
        """Write files and units durably; return each file's key and its units' keys."""

    def restamp(self, stamps: Mapping[int, str]) -> None:
        """Note a new stamp of files whose content did not change."""

    def staged(self) -> Iterator[tuple[int, int, Unit]]:
        """Yield (file key, unit key, unit) of everything staged."""

    def publish(self, manifest: Manifest, removed: Iterable[int], change: SourceReport | Forgotten | None) -> None:
        """Move the generation: staged files become live, `removed` files go, in one transaction with `change`."""

    def shallower(self, depth: int, after: int, limit: int, *, useful: bool) -> list[tuple[int, Unit]]:
        """Return up to `limit` live units whose keys follow `after`, ascending, without vectors of a depth or more.

        `useful` asks for those that answer most questions only: functions, methods and classes outside tests.
        """

    def unit_keys(self, file_keys: Sequence[int]) -> Keys:
        """Return the keys of the units of files, ascending."""

    def count_after(self, removed: Sequence[int]) -> int:
        """Return how many units will be live once what is staged is published and `removed` files are gone."""

    def count_shallower(self, depth: int) -> int:
        """Return how many live units have no vectors of a depth or more."""

    def known_vectors(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return which block vectors are stored already."""

    def save_vectors(self, encoded: Iterable[UnitVectors]) -> None:
        """Write the blocks of units and their new vectors durably."""

    def superseded(self) -> list[int]:
        """Return the keys of live files of which a newer version is staged."""

    def source(self, name: str) -> SourceRow | None:
        """Return a source by its name."""

    def live(self) -> Iterator[tuple[int, int, Unit]]:
        """Yield (file key, unit key, unit) of everything live."""

    def encoded(self, after: int, limit: int) -> list[tuple[int, int]]:
        """Return up to `limit` keys, following `after`, of live units that have vectors, ascending, and the depth."""

    def sweep(self) -> int:
        """Remove block vectors that no block uses, and rewritings that no unit has; return how many vectors."""

    def unwritten(
        self, generator: str, after: int, limit: int, *, useful: bool, sources: Sequence[str] = ()
    ) -> list[tuple[int, Unit]]:
        """Return up to `limit` live units whose keys follow `after`, ascending, for which a generator has to write.

        They are worth it: functions, methods and classes of more than a few characters; the `useful` ones, or only the
        others; of all sources or of those named.
        """

    def written_before(self, text: str, generator: str) -> CodeRewriting | None:
        """Return the newest of what a generator wrote from a text."""

    def save_rewritings(self, written: Iterable[NewRewriting]) -> None:
        """Write rewritings durably; the units that have the texts have them from the next generation on."""

    def relinked(self) -> list[tuple[int, int, int | None]]:
        """Return (file key, unit key, depth of its vectors) of the live units that will have another rewriting."""

    def any_rewritings(self) -> bool:
        """Tell whether there is any rewriting."""

    def rewriting_vectors(self, keys: Sequence[int], depth: int) -> dict[int, NDArray[np.float32]]:
        """Return the vectors (texts, dim) made at a depth, by rewriting; those that were not made are left out."""

    def save_rewriting_vectors(self, vectors: Mapping[int, NDArray[np.float32]], depth: int) -> None:
        """Write the vectors (texts, dim) of rewritings, made at a depth, durably in place of those that were there."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """A source as a finished run found it: replaces what was known of its unindexed files."""

    source: SourceRow
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A source that is removed, with all that is known of it."""

    name: str


class Store(StoreReader, StoreWriter, Protocol):
    """Both halves."""

    def close(self) -> None:
        """Free the connections of the calling thread."""
