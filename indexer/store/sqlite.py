"""The store in one SQLite file: the default source of truth.

Rows of files and units never change once written; a changed file is a new row and the old one goes
when the generation moves. No index is derived here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import xxhash
from numpy.typing import NDArray

from indexer.errors import IndexDamaged
from indexer.store.connection import STORE_FILE, Connections, create, sqlite_errors
from indexer.store.interface import (
    Catalogue,
    CodeRewriting,
    FileRecord,
    Forgotten,
    Head,
    Keys,
    KnownFile,
    NewRewriting,
    SourceReport,
    SourceRow,
    Statistics,
    UnitVectors,
    unit_vectors,
)
from indexer.store.kept import Kept
from indexer.store.manifest import REINDEX, REPAIR, Fault, Manifest, read_manifest
from indexer.store.overview import altered, miscounted, read_catalogue, read_sources, read_statistics
from indexer.store.rewritings import (
    UNWRITTEN,
    WORTH_REWRITING,
    any_rewritings,
    insert_rewriting,
    link_staged,
    newest_of,
    publish_links,
    relinked_units,
    rewritings_of,
    sweep_rewritings,
    vectors_of,
)
from indexer.store.rewritings import insert_vectors as insert_rewriting_vectors
from indexer.store.rows import (
    block_of,
    delete_files,
    delete_source,
    insert_file,
    insert_report,
    insert_vectors,
    skipped_of,
    unit_of,
)
from indexer.store.schema import BLOCK_COLUMNS, HEAD_COLUMNS, UNIT_COLUMNS
from indexer.types import Block, Skipped, Unit

# Keys a statement: below SQLite's default limit of variables.
_BATCH = 500
# Heads that were read are kept, up to so many: some 30 MB.
_KEPT_HEADS = 50_000
# Units without vectors of a depth or more, and those that answer most questions.
_SHALLOWER = "NOT EXISTS (SELECT 1 FROM blocks b WHERE b.unit_key = u.unit_key AND b.ordinal = 0 AND b.depth >= ?)"
_USEFUL = (
    "u.kind IN ('function', 'method', 'class') AND f.path NOT LIKE 'test%' AND f.path NOT LIKE '%/test%' "
    "AND f.path NOT LIKE '%^_test.%' ESCAPE '^' AND f.path NOT LIKE '%.test.%'"
)

_T = TypeVar("_T")


class SqliteStore:
    """Files, units, blocks, block vectors and the generation, in `folder`/store.sqlite3."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        if writable:
            create(folder)
        self._path = folder / STORE_FILE
        self._connections = Connections(folder)
        self._connections.get()
        self._heads = (self._connections.identity, Kept[Head](_KEPT_HEADS))

    def close(self) -> None:
        """Free the connection of the calling thread."""
        self._connections.close()

    # reading

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
                _roll_back(connection)

    def units(self, keys: Sequence[int]) -> dict[int, Unit]:
        """Return whole units by key, verified; raise IndexDamaged for a row that is gone or altered."""
        return {key: unit_of(row) for key, row in self._by_key(UNIT_COLUMNS, keys).items()}

    def heads(self, keys: Sequence[int]) -> dict[int, Head]:
        """Return units without text by key, in the order of the keys; raise IndexDamaged for a row that is gone."""
        kept = self._kept_heads()
        known = kept.of(keys)
        missing = [key for key in keys if key not in known]
        if not missing:
            return known
        read = {key: Head._make(row) for key, row in self._by_key(HEAD_COLUMNS, missing).items()}
        kept.keep(read)
        known |= read
        return {key: known[key] for key in keys}

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
            for batch in _batches([int(key) for key in np.sort(keys)]):
                sql = f"SELECT unit_key, text FROM units WHERE unit_key IN ({_marks(batch)}) ORDER BY unit_key"
                with self._errors() as connection:
                    yield from connection.execute(sql, batch).fetchall()
            return
        sql = "SELECT u.unit_key, u.text FROM units u JOIN files f USING (file_key) WHERE f.live = 1 ORDER BY 1"
        with self._errors() as connection:
            yield from connection.execute(sql)

    def blocks(self, keys: Sequence[int]) -> dict[int, list[tuple[Block, NDArray[np.float32]]]]:
        """Return the blocks of units with their vectors; units without vectors are left out."""
        found: dict[int, list[tuple[Block, NDArray[np.float32]]]] = {}
        for batch in _batches(keys):
            sql = (
                f"SELECT {BLOCK_COLUMNS} FROM blocks b LEFT JOIN vectors v USING (vector_key) "
                f"WHERE b.unit_key IN ({_marks(batch)}) ORDER BY b.unit_key, b.ordinal"
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
        for batch in _batches(keys):
            sql = (
                f"SELECT unit_key, depth, vector_key FROM blocks WHERE unit_key IN ({_marks(batch)}) "
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
        for batch in _batches(keys):
            with self._errors() as connection:
                found |= rewritings_of(connection, batch, staged=staged)
        return found

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

    # writing

    def known_files(self, repository: str) -> dict[str, KnownFile]:
        """Return the repository's live files by path."""
        sql = "SELECT path, file_key, stamp, content_hash FROM files WHERE repository = ? AND live = 1"
        with self._errors() as connection:
            return {row[0]: KnownFile(*row[1:]) for row in connection.execute(sql, (repository,))}

    def announce(self, source: SourceRow) -> None:
        """Note a source that is about to be read for the first time, so that it can be shown and removed."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO sources VALUES (?, ?, ?, '', '')", (source.name, source.kind, source.location)
            )

    def stage(self, records: Iterable[FileRecord]) -> list[tuple[int, list[int]]]:
        """Write files and units durably; return each file's key and its units' keys."""
        with self._transaction() as connection:
            staged = []
            for record in records:
                staged.append(insert_file(connection, record))
                texts = [unit.text for unit in record.units]
                link_staged(connection, zip(staged[-1][1], texts, strict=True))
            return staged

    def restamp(self, stamps: Mapping[int, str]) -> None:
        """Note a new stamp of files whose content did not change."""
        if stamps:
            with self._transaction() as connection:
                connection.executemany(
                    "UPDATE files SET stamp = ? WHERE file_key = ?",
                    [(stamp, key) for key, stamp in stamps.items()],
                )

    def staged(self) -> Iterator[tuple[int, int, Unit]]:
        """Yield (file key, unit key, unit) of everything staged."""
        return self._units_where_live(0)

    def superseded(self) -> list[int]:
        """Return the keys of live files of which a newer version is staged."""
        sql = (
            "SELECT l.file_key FROM files s JOIN files l ON l.repository = s.repository AND l.path = s.path "
            "AND l.live = 1 WHERE s.live = 0 ORDER BY 1"
        )
        with self._errors() as connection:
            return [row[0] for row in connection.execute(sql)]

    def source(self, name: str) -> SourceRow | None:
        """Return a source by its name."""
        sql = "SELECT name, kind, location, revision, indexed_at FROM sources WHERE name = ?"
        with self._errors() as connection:
            row = connection.execute(sql, (name,)).fetchone()
        return None if row is None else SourceRow(*row)

    def live(self) -> Iterator[tuple[int, int, Unit]]:
        """Yield (file key, unit key, unit) of everything live."""
        return self._units_where_live(1)

    def encoded(self, after: int, limit: int) -> list[tuple[int, int]]:
        """Return up to `limit` keys, following `after`, of live units that have vectors, ascending, and the depth."""
        sql = (
            "SELECT u.unit_key, b.depth FROM blocks b JOIN units u USING (unit_key) JOIN files f USING (file_key) "
            "WHERE f.live = 1 AND b.ordinal = 0 AND u.unit_key > ? ORDER BY u.unit_key LIMIT ?"
        )
        with self._errors() as connection:
            return [(row[0], row[1]) for row in connection.execute(sql, (after, limit))]

    def publish(self, manifest: Manifest, removed: Iterable[int], change: SourceReport | Forgotten | None) -> None:
        """Move the generation: staged files become live, `removed` files go, in one transaction with `change`."""
        text = manifest.model_dump_json()
        with self._transaction() as connection:
            delete_files(connection, removed)
            connection.execute("UPDATE files SET live = 1 WHERE live = 0")
            publish_links(connection)
            connection.execute("DELETE FROM generations")
            connection.execute(
                "INSERT INTO generations VALUES (?, ?, ?)", (manifest.generation, text, _manifest_hash(text))
            )
            if isinstance(change, SourceReport):
                insert_report(connection, change)
            elif change is not None:
                delete_source(connection, change.name)

    def shallower(self, depth: int, after: int, limit: int, *, useful: bool) -> list[tuple[int, Unit]]:
        """Return up to `limit` live units whose keys follow `after`, ascending, without vectors of a depth or more.

        `useful` asks for those that answer most questions only: functions, methods and classes outside tests.
        """
        sql = (
            f"SELECT {UNIT_COLUMNS} FROM units u JOIN files f USING (file_key) WHERE f.live = 1 AND u.unit_key > ? "
            f"AND {_SHALLOWER} {f'AND {_USEFUL} ' if useful else ''}ORDER BY u.unit_key LIMIT ?"
        )
        with self._errors() as connection:
            return [(row[0], unit_of(row)) for row in connection.execute(sql, (after, depth, limit))]

    def count_shallower(self, depth: int) -> int:
        """Return how many live units have no vectors of a depth or more."""
        sql = f"SELECT count(*) FROM units u JOIN files f USING (file_key) WHERE f.live = 1 AND {_SHALLOWER}"
        with self._errors() as connection:
            return int(connection.execute(sql, (depth,)).fetchone()[0])

    def unit_keys(self, file_keys: Sequence[int]) -> Keys:
        """Return the keys of the units of files, ascending."""
        found: list[int] = []
        for batch in _batches(file_keys):
            with self._errors() as connection:
                sql = f"SELECT unit_key FROM units WHERE file_key IN ({_marks(batch)})"
                found.extend(row[0] for row in connection.execute(sql, batch))
        return np.sort(np.array(found, dtype=np.int64))

    def count_after(self, removed: Sequence[int]) -> int:
        """Return how many units will be live once what is staged is published and `removed` files are gone."""
        with self._errors() as connection:
            total = connection.execute("SELECT coalesce(sum(units), 0) FROM files").fetchone()[0]
        return int(total) - len(self.unit_keys(removed))

    def known_vectors(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return which block vectors are stored already."""
        found: set[bytes] = set()
        for batch in _batches(keys):
            with self._errors() as connection:
                sql = f"SELECT vector_key FROM vectors WHERE vector_key IN ({_marks(batch)})"
                found.update(row[0] for row in connection.execute(sql, batch))
        return found

    def save_vectors(self, encoded: Iterable[UnitVectors]) -> None:
        """Write the blocks of units and their new vectors (as float16) durably."""
        with self._transaction() as connection:
            for unit in encoded:
                insert_vectors(connection, unit)

    def sweep(self) -> int:
        """Remove block vectors that no block uses, and rewritings that no unit has; return how many vectors."""
        with self._transaction() as connection:
            sweep_rewritings(connection)
            cursor = connection.execute("DELETE FROM vectors WHERE vector_key NOT IN (SELECT vector_key FROM blocks)")
            return cursor.rowcount

    def unwritten(
        self, generator: str, after: int, limit: int, *, useful: bool, sources: Sequence[str] = ()
    ) -> list[tuple[int, Unit]]:
        """Return up to `limit` live units whose keys follow `after`, ascending, for which a generator has to write.

        They are worth it: functions, methods and classes of more than a few characters; the `useful` ones, or only the
        others; of all sources or of those named.
        """
        of_sources = f"AND f.repository IN ({_marks(sources)}) " if sources else ""
        sql = (
            f"SELECT {UNIT_COLUMNS} FROM units u JOIN files f USING (file_key) WHERE f.live = 1 AND u.unit_key > ? "
            f"AND {WORTH_REWRITING} AND {UNWRITTEN} {of_sources}AND {'' if useful else 'NOT '}({_USEFUL}) "
            "ORDER BY u.unit_key LIMIT ?"
        )
        with self._errors() as connection:
            rows = connection.execute(sql, (after, generator, *sources, limit))
            return [(row[0], unit_of(row)) for row in rows]

    def written_before(self, text: str, generator: str) -> CodeRewriting | None:
        """Return the newest of what a generator wrote from a text."""
        with self._errors() as connection:
            return newest_of(connection, text, generator)

    def save_rewritings(self, written: Iterable[NewRewriting]) -> None:
        """Write rewritings durably; the units that have the texts have them from the next generation on."""
        with self._transaction() as connection:
            for each in written:
                insert_rewriting(connection, each)

    def relinked(self) -> list[tuple[int, int, int | None]]:
        """Return (file key, unit key, depth of its vectors) of the live units that will have another rewriting."""
        with self._errors() as connection:
            return relinked_units(connection)

    def any_rewritings(self) -> bool:
        """Tell whether there is any rewriting."""
        with self._errors() as connection:
            return any_rewritings(connection)

    def rewriting_vectors(self, keys: Sequence[int], depth: int) -> dict[int, NDArray[np.float32]]:
        """Return the vectors (texts, dim) made at a depth, by rewriting; those that were not made are left out."""
        found: dict[int, NDArray[np.float32]] = {}
        for batch in _batches(keys):
            with self._errors() as connection:
                found |= vectors_of(connection, batch, depth)
        return found

    def save_rewriting_vectors(self, vectors: Mapping[int, NDArray[np.float32]], depth: int) -> None:
        """Write the vectors (texts, dim) of rewritings, made at a depth, durably in place of those that were there."""
        with self._transaction() as connection:
            insert_rewriting_vectors(connection, vectors, depth)

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

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    def _units_where_live(self, live: int) -> Iterator[tuple[int, int, Unit]]:
        sql = (
            f"SELECT {UNIT_COLUMNS}, f.file_key FROM units u JOIN files f USING (file_key) "
            "WHERE f.live = ? ORDER BY u.unit_key"
        )
        with self._errors() as connection:
            for row in connection.execute(sql, (live,)):
                yield row[15], row[0], unit_of(row)

    @staticmethod
    def _manifest(connection: sqlite3.Connection) -> Manifest | None:
        row = connection.execute(
            "SELECT manifest, checksum FROM generations ORDER BY generation DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        if _manifest_hash(str(row[0])) != row[1]:
            raise IndexDamaged(f"the index's manifest is damaged; {REINDEX}")
        return read_manifest(row[0])

    def _by_key(self, columns: str, keys: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        rows = {}
        for batch in _batches(keys):
            for row in self._rows_of(columns, batch):
                rows[row[0]] = row
        _refuse_missing([key for key in keys if key not in rows])
        return {key: rows[key] for key in keys}

    def _rows_of(self, columns: str, batch: Sequence[int]) -> list[tuple[Any, ...]]:
        sql = (
            f"SELECT {columns} FROM units u JOIN files f USING (file_key) "
            f"WHERE u.unit_key IN ({_marks(batch)}) ORDER BY u.unit_key"
        )
        with self._errors() as connection:
            return connection.execute(sql, batch).fetchall()


def _refuse_missing(missing: Sequence[int]) -> None:
    if missing:
        raise IndexDamaged(f"{len(missing)} units that the index names are not in its store; {REPAIR}")


def _batches(keys: Sequence[_T]) -> Iterator[list[_T]]:
    for start in range(0, len(keys), _BATCH):
        yield list(keys[start : start + _BATCH])


def _marks(batch: Sequence[object]) -> str:
    return ",".join("?" * len(batch))


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite has ended it already where the disk is full
        connection.execute("ROLLBACK")


def _manifest_hash(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))
