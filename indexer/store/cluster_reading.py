"""Reading a store in a cluster: files, units, blocks and vectors as one published state has them.

Rows never change once written: what was read of them is kept. Nothing is written here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.batching import batched
from indexer.cluster.generations import Query, seen_by
from indexer.errors import IndexDamaged
from indexer.store.cluster_access import Rows, batches
from indexer.store.cluster_head import Head as Published
from indexer.store.cluster_head import read_head
from indexer.store.cluster_overview import problems, read_catalogue, read_statistics
from indexer.store.cluster_rewritings import Rewritings
from indexer.store.cluster_rows import (
    HEAD_FIELDS,
    Document,
    blocks_of,
    head_of,
    record_of,
    skipped_of,
    text_hash,
    unit_of,
    unpacked_head,
    vector_of,
)
from indexer.store.interface import (
    Catalogue,
    CodeRewriting,
    FileRecord,
    Head,
    Keys,
    SourceRow,
    Statistics,
    UnitVectors,
    unit_vectors,
)
from indexer.store.kept import Kept
from indexer.store.manifest import REPAIR, Fault, Manifest, refuse_missing
from indexer.types import Block, Skipped, Unit

# Heads, rows of units and units that were read are kept, up to so many, and texts alone up to so many characters.
_KEPT_HEADS, _KEPT_ROWS, _KEPT_UNITS, _KEPT_CHARS = 100_000, 10_000, 2_000, 100_000_000
# Texts that a query reads to rank come with the rest of their units, some of which it will show: that costs a cluster
# less than to leave it out. Who reads more at once looks through them.
_RANKED_AT_ONCE = 100
# Files whose units are listed together.
_FILES = 200


class _Read:
    """What was read lately of one store; that which has its name later is another."""

    def __init__(self, store: str = "") -> None:
        self.store = store
        self.heads = Kept[Head](_KEPT_HEADS)
        self.rows = Kept[Document](_KEPT_ROWS)
        self.texts = Kept[str](_KEPT_CHARS, len)
        self.units = Kept[Unit](_KEPT_UNITS)


class ClusterReader:
    """What is read of a store's rows; safe to share between threads."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._pinned = threading.local()
        self._read = _Read()

    @contextmanager
    def snapshot(self) -> Iterator[Manifest | None]:
        """Pin one state; yield its manifest, or None when nothing was published yet."""
        pinned: Published | None = getattr(self._pinned, "head", None)
        if pinned is not None:  # then it is of the same state as the snapshot around it
            yield pinned.manifest
            return
        self._pinned.head = head = self._published()
        try:
            yield head.manifest
        finally:
            self._pinned.head = None

    def units(self, keys: Sequence[int]) -> dict[int, Unit]:
        """Return whole units by key, verified; raise IndexDamaged for a row that is gone or altered."""
        lately = self._lately()

        def fetch(missing: list[int]) -> dict[int, Unit]:
            return {key: unit_of(row) for key, row in lately.rows.read(missing, self._rows_of).items()}

        found = lately.units.read(keys, fetch)
        refuse_missing(keys, found)
        return found

    def heads(self, keys: Sequence[int]) -> dict[int, Head]:
        """Return units without text by key, in the order of the keys; raise IndexDamaged for a row that is gone."""

        def fetch(missing: list[int]) -> dict[int, Head]:
            found = (self._heads_of(batch) for batch in batches(missing))
            return {head.key: head for heads in found for head in heads}

        found = self._lately().heads.read(keys, fetch)
        refuse_missing(keys, found)
        return found

    def key_of(self, unit_id: str) -> int | None:
        """Return the key of a live unit by its id."""
        filters = [*self._live(), {"term": {"unit_id": unit_id}}]
        found = list(self._rows.columns("unit", filters, ("key",), 1))
        return int(found[0][0]) if found else None

    def siblings(self, unit_id: str) -> list[Head]:
        """Return the units, without text, of the file that holds a live unit, in the order of their lines."""
        live = self._live()
        file = list(self._rows.columns("unit", [*live, {"term": {"unit_id": unit_id}}], ("file",), 1))
        if not file:
            return []
        heads = self._heads_where([*live, {"term": {"file": file[0][0]}}])
        return sorted(heads, key=lambda head: (head.start_line, head.key))

    def unit_at(self, path: str, line: int, repository: str | None) -> list[int]:
        """Return the keys of the live units that hold this line of a path."""
        filters = [
            *self._live(),
            {"term": {"place": text_hash(path)}},
            {"range": {"start_line": {"lte": line}}},
            {"range": {"end_line": {"gte": line}}},
        ]
        if repository is not None:
            filters.append({"term": {"repository": repository}})
        return [row[0] for row in self._rows.columns("unit", filters, ("key",))]

    def texts(self, keys: Keys | None = None) -> Iterator[tuple[int, str]]:
        """Yield (key, text) of the live units, or of those named, ascending by key."""
        if keys is None:
            rows = self._rows.rows("unit", self._live(), fields=("key", "body.text"))
            yield from ((row["key"], row["body"]["text"]) for row in rows)
            return
        lately = self._lately()
        if len(keys) <= _RANKED_AT_ONCE:
            found = lately.rows.read(np.sort(keys).tolist(), self._rows_of)
            yield from ((key, _text(row)) for key, row in found.items())
            return

        def fetch(missing: list[int]) -> dict[int, str]:
            named = self._rows.rows("unit", [{"terms": {"key": missing}}], fields=("key", "body.text"))
            return {row["key"]: _text(row) for row in named}

        for batch in batches(np.sort(keys).tolist()):
            yield from lately.texts.read(batch, fetch).items()

    def blocks(self, keys: Sequence[int]) -> dict[int, list[tuple[Block, NDArray[np.float32]]]]:
        """Return the blocks of units with their vectors; units without vectors are left out."""
        found = {int(name): blocks_of(row) for name, row in self._rows.get("blocks", keys).items()}
        names = dict.fromkeys(name for blocks in found.values() for _, name in blocks)
        vectors = {name: vector_of(name, row) for name, row in self._rows.get("vector", names).items()}
        if len(vectors) < len(names):
            raise IndexDamaged(f"{len(names) - len(vectors)} vectors of blocks are not in the store; {REPAIR}")
        return {key: [(block, vectors[name]) for block, name in found[key]] for key in sorted(found)}

    def records(self) -> Iterator[tuple[FileRecord, list[int]]]:
        """Yield every live file as it was staged, with the keys of its units."""
        live = self._live()
        for files in batched(self._rows.rows("file", live), _FILES):
            of: dict[int, list[Document]] = {row["key"]: [] for row in files}
            for row in self._rows.rows("unit", [*live, {"terms": {"file": list(of)}}]):
                of[row["file"]].append(row)
            for file in files:
                yield record_of(file, of[file["key"]]), [row["key"] for row in of[file["key"]]]

    def stored_vectors(self, keys: Sequence[int]) -> dict[int, UnitVectors]:
        """Return the blocks of units with all their vectors, as they were saved; units without are left out."""
        rows = {int(name): row for name, row in self._rows.get("blocks", keys).items()}
        named = {
            unit: [(row["depth"], bytes.fromhex(name)) for _, name in blocks_of(row)] for unit, row in rows.items()
        }
        return {unit: unit_vectors(unit, named[unit], blocks) for unit, blocks in self.blocks(list(rows)).items()}

    def rewritings(self, keys: Sequence[int], *, staged: bool = False) -> dict[int, CodeRewriting]:
        """Return what was written for those of the units that have it, verified: by this generation, or the next one.

        Raises IndexDamaged for a row that is gone or altered.
        """
        return self._rewritings().of(keys, staged=staged)

    def catalogue(self) -> Catalogue:
        """Return every live unit by its filterable fields."""
        return read_catalogue(self._rows, self._live())

    def sources(self) -> tuple[SourceRow, ...]:
        """Return the sources by name."""
        return tuple(sorted(self._head().sources, key=lambda source: source.name))

    def statistics(self) -> Statistics:
        """Return counts of the published state."""
        with self.snapshot():
            return read_statistics(self._rows, self._live(), self.sources())

    def skipped(self, repository: str | None = None) -> Iterator[Skipped]:
        """Yield the files that are not indexed, with the reason."""
        filters: list[Query] = self._live()
        if repository is not None:
            filters.append({"term": {"repository": repository}})
        found = [skipped_of(row) for row in self._rows.rows("skipped", filters)]
        yield from sorted(found, key=lambda entry: (entry.repository, entry.path))

    def faults(self) -> list[Fault]:
        """Verify every row; return what is wrong."""
        with self.snapshot() as manifest:
            return [
                Fault(f"elasticsearch/{self._rows.index}", problem)
                for problem in problems(self._rows, self._live(), manifest)
            ]

    # inside

    def _published(self) -> Published:
        with self._rows.asked() as client:
            return read_head(client, self._rows.index)

    def _head(self) -> Published:
        """Return what this thread reads: what it pinned, or the newest."""
        return getattr(self._pinned, "head", None) or self._published()

    def _lately(self) -> _Read:
        """Return what was read lately of the store that this thread reads."""
        pinned: Published | None = getattr(self._pinned, "head", None)
        read = self._read
        if pinned is not None and pinned.store != read.store:
            read = self._read = _Read(pinned.store)
        return read

    def _live(self) -> list[Query]:
        return list(seen_by(self._head().generation))

    def _rewritings(self) -> Rewritings:
        return Rewritings(self._rows, self._head().generation)

    def _rows_of(self, keys: Sequence[int]) -> dict[int, Document]:
        """Return the rows of units that there are."""
        return {int(name): row for name, row in self._rows.get("unit", keys).items()}

    def _heads_of(self, keys: Sequence[int]) -> Iterator[Head]:
        """Yield the heads of keys, no more than a clause takes, in any order."""
        return self._heads(self._rows.columns("unit", [{"terms": {"key": keys}}], ("key", "head"), len(keys), ()))

    def _heads_where(self, filters: Sequence[Query]) -> Iterator[Head]:
        """Yield heads ascending by key."""
        return self._heads(self._rows.columns("unit", filters, ("key", "head")))

    def _heads(self, columns: Iterable[tuple[Any, ...]]) -> Iterator[Head]:
        """Yield heads from their column, and those that are too long for it from their rows."""
        for key, head in columns:
            if head is None:
                yield head_of(self._rows.get("unit", [key], HEAD_FIELDS).get(str(key), {}))
            else:
                yield unpacked_head(head)

    def _units_of(self, filters: Sequence[Query]) -> Iterator[tuple[int, int, Unit]]:
        for row in self._rows.rows("unit", filters):
            yield row["file"], row["key"], unit_of(row)


def _text(row: Document) -> str:
    return str(row["body"]["text"])
