"""Reading the store in one SQLite file: files, units, blocks and vectors as one published state has them.

Rows never change once written: what was read of them is kept. Nothing is written here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import xxhash
from numpy.typing import NDArray

from indexer.batching import batched
from indexer.errors import IndexDamaged
from indexer.store.connection import STORE_FILE, Connections, sqlite_errors
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
from indexer.store.manifest import REINDEX, Fault, Manifest, read_manifest, refuse_missing
from indexer.store.overview import altered, miscounted, read_catalogue, read_sources, read_statistics
from indexer.store.rewritings import any_rewritings, rewritings_of
from indexer.store.rows import block_of, skipped_of, unit_of
from indexer.store.schema import BLOCK_COLUMNS, HEAD_COLUMNS, UNIT_COLUMNS
from indexer.types import Block, Skipped, Unit

# Keys a statement: below SQLite's default limit of variables.
_BATCH = 500
# Heads that were read are kept, up to so many: some 30 MB.
_KEPT_HEADS = 50_000
_T = TypeVar("_T")


class SqliteReader:
    """What is read of a store's rows in `folder`/store.sqlite3; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STORE_FILE
        self._connections = Connections(folder)
        self._heads = (self._connections.identity, Kept[Head](_KEPT_HEADS))

    def close(self) -> None:
        """Free the connection of the calling thread."""
        self._connections.close()

    @contextmanager
    def snapshot(self) -> Iterator[Manifest | None]:
        """Pin one state; yield its manifest, or None when nothing was published yet.

        Of a store that was deleted and made anew it is the new one's; raises IndexMissing where there is none.
        """
        with self._errors() as connection:
            if not connection.in_transaction and self._connections.renew():
                self._heads = (None, Kept[Head](_KEPT_HEADS))
                connection = self._connections.get()
            inside = connection.in_transaction  # then it is of the same state as the snapshot around it
            if not inside:
                connection.execute("BEGIN")
        try:
            with self._errors():
                manifest = self._manifest(connection)
            yield manifest
        finally:
            if not inside:
                roll_back(connection)

    def units(self, keys: Sequence[int]) -> dict[int, Unit]:
        """Return whole units by key, verified; raise IndexDamaged for a row that is gone or altered."""
        return {key: unit_of(row) for key, row in self._by_key(UNIT_COLUMNS, keys).items()}

    def heads(self, keys: Sequence[int]) -> dict[int, Head]:
        """Return units without text by key, in the order of the keys; raise IndexDamaged for a row that is gone."""

        def fetch(missing: list[int]) -> dict[int, Head]:
            return {key: Head._make(row) for key, row in self._by_key(HEAD_COLUMNS, missing).items()}

        return self._kept_heads().read(keys, fetch)

    def key_of(self, unit_id: str) -> int | None:
        """Return the key of a live unit by its id."""
        sql = "SELECT u.unit_key FROM units u JOIN files f USING (file_key) WHERE u.unit_id = ? AND f.live = 1"
        with self._errors() as connection:
            row = connection.execute(sql, (unit_id,)).fetchone()
        return None if row is None else int(row[0])

    def siblings(self, unit_id: str) -> list[Head]:
        """Return the units, without text, of the file that holds a live unit, in the order of their lines."""
        sql = (
            f"SELECT {HEAD_COLUMNS} FROM units o JOIN files f USING (file_key) JOIN units u USING (file_key) "
            "WHERE o.unit_id = ? AND f.live = 1 ORDER BY u.start_line, u.unit_key"
        )
        with self._errors() as connection:
            return [Head._make(row) for row in connection.execute(sql, (unit_id,))]

    def unit_at(self, path: str, line: int, repository: str | None) -> list[int]:
        """Return the keys of the live units that hold this line of a path."""
        sql = (
            "SELECT u.unit_key FROM units u JOIN files f USING (file_key) WHERE f.live = 1 AND f.path = ? "
            "AND ? BETWEEN u.start_line AND u.end_line AND (? IS NULL OR f.repository = ?) ORDER BY u.unit_key"
        )
        with self._errors() as connection:
            return [row[0] for row in connection.execute(sql, (path, line, repository, repository))]

    def texts(self, keys: Keys | None = None) -> Iterator[tuple[int, str]]:
        """Yield (key, text) of the live units, or of those named, ascending by key."""
        if keys is not None:
            for batch in batches([int(key) for key in np.sort(keys)]):
                sql = f"SELECT unit_key, text FROM units WHERE unit_key IN ({marks(batch)}) ORDER BY unit_key"
                with self._errors() as connection:
                    yield from connection.execute(sql, batch).fetchall()
            return
        sql = "SELECT u.unit_key, u.text FROM units u JOIN files f USING (file_key) WHERE f.live = 1 ORDER BY 1"
        with self._errors() as connection:
            yield from connection.execute(sql)

    def blocks(self, keys: Sequence[int]) -> dict[int, list[tuple[Block, NDArray[np.float32]]]]:
        """Return the blocks of units with their vectors; units without vectors are left out."""
        found: dict[int, list[tuple[Block, NDArray[np.float32]]]] = {}
        for batch in batches(keys):
            sql = (
                f"SELECT {BLOCK_COLUMNS} FROM blocks b LEFT JOIN vectors v USING (vector_key) "
                f"WHERE b.unit_key IN ({marks(batch)}) ORDER BY b.unit_key, b.ordinal"
            )
            with self._errors() as connection:
                for row in connection.execute(sql, batch):
                    found.setdefault(row[0], []).append(block_of(row))
        return found

    def records(self) -> Iterator[tuple[FileRecord, list[int]]]:
        """Yield every live file as it was staged, with the keys of its units."""
        files = (
            "SELECT file_key, repository, path, language, stamp, content_hash, size, parsed, redactions FROM files "
            "WHERE live = 1 ORDER BY file_key"
        )
        with self._errors() as connection:
            for key, *fields, parsed, redactions in connection.execute(files).fetchall():
                sql = (
                    f"SELECT {UNIT_COLUMNS} FROM units u JOIN files f USING (file_key) WHERE u.file_key = ? "
                    "ORDER BY u.unit_key"
                )
                rows = connection.execute(sql, (key,)).fetchall()
                units, sketches = tuple(map(unit_of, rows)), tuple(bytes(row[11]) for row in rows)
                repository, path, language, stamp, digest, size = fields
                where = (repository, path, language, stamp, digest, size)
                yield FileRecord(*where, bool(parsed), redactions, units, sketches), [row[0] for row in rows]

    def stored_vectors(self, keys: Sequence[int]) -> dict[int, UnitVectors]:
        """Return the blocks of units with all their vectors, as they were saved; units without are left out."""
        found: dict[int, list[tuple[int, bytes]]] = {}
        for batch in batches(keys):
            sql = (
                f"SELECT unit_key, depth, vector_key FROM blocks WHERE unit_key IN ({marks(batch)}) "
                "ORDER BY unit_key, ordinal"
            )
            with self._errors() as connection:
                for unit, depth, name in connection.execute(sql, batch):
                    found.setdefault(unit, []).append((depth, name))
        return {unit: unit_vectors(unit, found[unit], blocks) for unit, blocks in self.blocks(list(found)).items()}

    def rewritings(self, keys: Sequence[int], *, staged: bool = False) -> dict[int, CodeRewriting]:
        """Return what was written for those of the units that have it, verified: by this generation, or the next one.

        Raises IndexDamaged for a row that is gone or altered.
        """
        found: dict[int, CodeRewriting] = {}
        for batch in batches(keys):
            with self._errors() as connection:
                found |= rewritings_of(connection, batch, staged=staged)
        return found

    def any_rewritings(self) -> bool:
        """Tell whether there is any rewriting."""
        with self._errors() as connection:
            return any_rewritings(connection)

    def catalogue(self) -> Catalogue:
        """Return every live unit by its filterable fields."""
        with self._errors() as connection:
            return read_catalogue(connection)

    def sources(self) -> tuple[SourceRow, ...]:
        """Return the sources by name."""
        with self._errors() as connection:
            return read_sources(connection)

    def statistics(self) -> Statistics:
        """Return counts of the published state."""
        with self._errors() as connection:
            return read_statistics(connection)

    def skipped(self, repository: str | None = None) -> Iterator[Skipped]:
        """Yield the files that are not indexed, with the reason."""
        sql = "SELECT repository, path, reason, detail FROM skipped WHERE ? IS NULL OR repository = ? ORDER BY 1, 2"
        with self._errors() as connection:
            for row in connection.execute(sql, (repository, repository)):
                yield skipped_of(row)

    def faults(self) -> list[Fault]:
        """Verify every row and the database's own structure; return what is wrong."""
        with self.snapshot() as manifest, self._errors() as connection:
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            problems = [] if verdict == "ok" else [verdict]
            problems += altered(connection)
            problems += miscounted(connection, manifest)
        return [Fault(STORE_FILE, problem) for problem in problems]

    # inside

    @contextmanager
    def _errors(self) -> Iterator[sqlite3.Connection]:
        with sqlite_errors(self._path):
            yield self._connections.get()

    def _kept_heads(self) -> Kept[Head]:
        """Return the heads that are kept of the store that the calling thread reads."""
        with self._errors():
            read = self._connections.identity
        identity, kept = self._heads
        if identity != read:
            kept = Kept[Head](_KEPT_HEADS)
            self._heads = (read, kept)
        return kept

    @staticmethod
    def _manifest(connection: sqlite3.Connection) -> Manifest | None:
        row = connection.execute(
            "SELECT manifest, checksum FROM generations ORDER BY generation DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        if manifest_hash(str(row[0])) != row[1]:
            raise IndexDamaged(f"the index's manifest is damaged; {REINDEX}")
        return read_manifest(row[0])

    def _by_key(self, columns: str, keys: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        rows = {}
        for batch in batches(keys):
            for row in self._rows_of(columns, batch):
                rows[row[0]] = row
        refuse_missing(keys, rows)
        return {key: rows[key] for key in keys}

    def _rows_of(self, columns: str, batch: Sequence[int]) -> list[tuple[Any, ...]]:
        sql = (
            f"SELECT {columns} FROM units u JOIN files f USING (file_key) "
            f"WHERE u.unit_key IN ({marks(batch)}) ORDER BY u.unit_key"
        )
        with self._errors() as connection:
            return connection.execute(sql, batch).fetchall()


def batches(keys: Sequence[_T]) -> Iterator[list[_T]]:
    """Return as many keys at a time as a statement takes."""
    return batched(keys, _BATCH)


def marks(batch: Sequence[object]) -> str:
    """Return a statement's place for each value."""
    return ",".join("?" * len(batch))


def roll_back(connection: sqlite3.Connection) -> None:
    """End what was begun, if it has not ended itself."""
    if connection.in_transaction:  # SQLite has ended it already where the disk is full
        connection.execute("ROLLBACK")


def manifest_hash(text: str) -> str:
    """Return what stands beside a manifest, to tell whether it was altered."""
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))
