"""The store in one SQLite file: the default source of truth.

Rows of files and units never change once written; a changed file is a new row and the old one goes
when the generation moves. No index is derived here.
"""

from __future__ import annotations

import json
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
    FileRecord,
    Head,
    Keys,
    KnownFile,
    SourceReport,
    SourceRow,
    Statistics,
    UnitVectors,
)
from indexer.store.manifest import REPAIR, Fault, Manifest, read_manifest
from indexer.store.schema import HEAD_COLUMNS, UNIT_COLUMNS, row_hash
from indexer.types import Block, Kind, Skipped, SkipReason, Unit

# Keys a statement: below SQLite's default limit of variables.
_BATCH = 500

_T = TypeVar("_T")


class SqliteStore:
    """Files, units, blocks, block vectors and the generation, in `folder`/store.sqlite3."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        if writable:
            create(folder)
        self._path = folder / STORE_FILE
        self._connections = Connections(folder)
        self._connections.get()

    def close(self) -> None:
        """Free the connection of the calling thread."""
        self._connections.close()

    # reading

    @contextmanager
    def snapshot(self) -> Iterator[Manifest | None]:
        """Pin one state; yield its manifest, or None when nothing was published yet."""
        with self._errors() as connection:
            connection.execute("BEGIN")
            try:
                yield self._manifest(connection)
            finally:
                connection.execute("ROLLBACK")

    def units(self, keys: Sequence[int]) -> dict[int, Unit]:
        """Return whole units by key, verified; raise IndexDamaged for a row that is gone or altered."""
        rows = self._by_key(UNIT_COLUMNS, keys)
        for row in rows.values():
            if _unit_hash(row) != row[12]:
                raise IndexDamaged(f"the row of unit {row[1]} ({row[3]}) is damaged; index {row[2]} again")
        return {key: _unit(row) for key, row in rows.items()}

    def heads(self, keys: Sequence[int]) -> dict[int, Head]:
        """Return units without text by key; raise IndexDamaged for a row that is gone."""
        return {key: _head(row) for key, row in self._by_key(HEAD_COLUMNS, keys).items()}

    def key_of(self, unit_id: str) -> int | None:
        """Return the key of a live unit by its id."""
        sql = "SELECT u.unit_key FROM units u JOIN files f USING (file_key) WHERE u.unit_id = ? AND f.live = 1"
        with self._errors() as connection:
            row = connection.execute(sql, (unit_id,)).fetchone()
        return None if row is None else int(row[0])

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
                yield from ((row[0], row[1]) for row in self._rows_of("u.unit_key, u.text", batch))
            return
        sql = "SELECT u.unit_key, u.text FROM units u JOIN files f USING (file_key) WHERE f.live = 1 ORDER BY 1"
        with self._errors() as connection:
            yield from connection.execute(sql)

    def blocks(self, keys: Sequence[int]) -> dict[int, list[tuple[Block, NDArray[np.float32]]]]:
        """Return the blocks of units with their vectors; units without vectors are left out."""
        found: dict[int, list[tuple[Block, NDArray[np.float32]]]] = {}
        columns = "b.unit_key, b.start_line, b.end_line, b.first, b.last, v.vector, v.row_hash, b.vector_key"
        for batch in _batches(keys):
            sql = (
                f"SELECT {columns} FROM blocks b JOIN vectors v USING (vector_key) "
                f"WHERE b.unit_key IN ({_marks(batch)}) ORDER BY b.unit_key, b.ordinal"
            )
            with self._errors() as connection:
                for row in connection.execute(sql, batch):
                    found.setdefault(row[0], []).append((Block(*row[1:5]), _vector(row[5], row[6], row[7])))
        return found

    def catalogue(self) -> Catalogue:
        """Return every live unit by its filterable fields."""
        with self._errors() as connection:
            files = connection.execute(
                "SELECT file_key, repository, path, language FROM files WHERE live = 1 ORDER BY file_key"
            ).fetchall()
            units = connection.execute(
                "SELECT u.unit_key, u.file_key, u.kind, u.symbol FROM units u JOIN files f USING (file_key) "
                "WHERE f.live = 1 ORDER BY u.unit_key"
            ).fetchall()
        file_keys = np.array([row[0] for row in files], dtype=np.int64)
        columns = list(zip(*units, strict=True)) or [(), (), (), ()]
        return Catalogue(
            keys=np.array(columns[0], dtype=np.int64),
            file=np.searchsorted(file_keys, np.array(columns[1], dtype=np.int64)).astype(np.int32),
            kinds=np.array(columns[2], dtype=object),
            symbols=columns[3],
            files=[(row[1], row[2], row[3]) for row in files],
        )

    def statistics(self) -> Statistics:
        """Return counts of the published state."""
        with self._errors() as connection:

            def pairs(sql: str) -> list[tuple[Any, ...]]:
                return connection.execute(sql).fetchall()

            skipped: dict[str, dict[str, int]] = {}
            for repository, reason, count in pairs(
                "SELECT repository, reason, count(*) FROM skipped GROUP BY 1, 2 ORDER BY 1, 2"
            ):
                skipped.setdefault(repository, {})[reason] = count
            files, size, redactions, unparsed, units = pairs(
                "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(redactions), 0), "
                "coalesce(sum(parsed = 0), 0), coalesce(sum(units), 0) FROM files WHERE live = 1"
            )[0]
            languages = pairs(
                "SELECT language, count(*), sum(units), sum(size) FROM files WHERE live = 1 "
                "GROUP BY 1 ORDER BY 3 DESC, 1"
            )
            kinds = pairs(
                "SELECT u.kind, count(*) FROM units u JOIN files f USING (file_key) WHERE f.live = 1 "
                "GROUP BY 1 ORDER BY 2 DESC, 1"
            )
            sources = pairs("SELECT name, kind, location, revision, indexed_at FROM sources ORDER BY name")
            blocks = pairs("SELECT count(*) FROM blocks")[0][0]
        return Statistics(
            sources=tuple(SourceRow(*row) for row in sources),
            languages={row[0]: (row[1], row[2], row[3]) for row in languages},
            skipped=skipped,
            files=files,
            units=units,
            blocks=blocks,
            bytes=size,
            redactions=redactions,
            unparsed=unparsed,
            kinds=dict(kinds),
        )

    def skipped(self, repository: str | None = None) -> Iterator[Skipped]:
        """Yield the files that are not indexed, with the reason."""
        sql = "SELECT repository, path, reason, detail FROM skipped WHERE ? IS NULL OR repository = ? ORDER BY 1, 2"
        with self._errors() as connection:
            for row in connection.execute(sql, (repository, repository)):
                yield Skipped(row[0], row[1], SkipReason(row[2]), row[3])

    def faults(self) -> list[Fault]:
        """Verify every row and the database's own structure; return what is wrong."""
        found = []
        with self._errors() as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                found.append(Fault(STORE_FILE, verdict))
            sql = f"SELECT {UNIT_COLUMNS} FROM units u JOIN files f USING (file_key)"
            found += [
                Fault(STORE_FILE, f"unit {row[1]} of {row[3]} is altered")
                for row in connection.execute(sql)
                if _unit_hash(row) != row[12]
            ]
            found += [
                Fault(STORE_FILE, f"vector {row[0].hex()} is altered")
                for row in connection.execute("SELECT vector_key, vector, row_hash FROM vectors")
                if _vector_hash(row[0], row[1]) != row[2]
            ]
            short = connection.execute(
                "SELECT f.path, f.units, count(u.unit_key) FROM files f LEFT JOIN units u USING (file_key) "
                "GROUP BY f.file_key HAVING f.units <> count(u.unit_key)"
            )
            found += [Fault(STORE_FILE, f"{path} has {have} of {want} units") for path, want, have in short]
        return found

    # writing

    def known_files(self, repository: str) -> dict[str, KnownFile]:
        """Return the repository's files by path; a staged version hides the live one."""
        sql = "SELECT path, file_key, stamp, content_hash, live FROM files WHERE repository = ? ORDER BY live DESC"
        with self._errors() as connection:
            return {
                path: KnownFile(key, stamp, content, not live)
                for path, key, stamp, content, live in connection.execute(sql, (repository,))
            }

    def live_keys(self, repository: str) -> dict[str, int]:
        """Return the live files' keys by path."""
        with self._errors() as connection:
            return dict(
                connection.execute("SELECT path, file_key FROM files WHERE repository = ? AND live = 1", (repository,))
            )

    def stage(self, records: Iterable[FileRecord]) -> list[tuple[int, list[int]]]:
        """Write files and units durably; return each file's key and its units' keys."""
        with self._transaction() as connection:
            return [_insert(connection, record) for record in records]

    def discard(self, file_keys: Iterable[int]) -> None:
        """Remove staged files."""
        with self._transaction() as connection:
            _delete(connection, file_keys)

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

    def encoded(self, after: int, limit: int) -> list[int]:
        """Return up to `limit` keys, following `after`, of live units that have vectors, ascending."""
        sql = (
            "SELECT u.unit_key FROM units u JOIN files f USING (file_key) WHERE f.live = 1 AND u.unit_key > ? "
            "AND EXISTS (SELECT 1 FROM blocks b WHERE b.unit_key = u.unit_key) ORDER BY u.unit_key LIMIT ?"
        )
        with self._errors() as connection:
            return [row[0] for row in connection.execute(sql, (after, limit))]

    def publish(self, manifest: Manifest, removed: Iterable[int], report: SourceReport | None) -> None:
        """Move the generation: staged files become live and `removed` files go, in one transaction."""
        with self._transaction() as connection:
            _delete(connection, removed)
            connection.execute("UPDATE files SET live = 1 WHERE live = 0")
            text = manifest.model_dump_json()
            connection.execute("DELETE FROM generations")
            connection.execute(
                "INSERT INTO generations VALUES (?, ?, ?)",
                (manifest.generation, text, xxhash.xxh3_128_hexdigest(text.encode())),
            )
            if report is not None:
                _record(connection, report)

    def forget(self, name: str) -> None:
        """Remove what is known of a source besides its files."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM sources WHERE name = ?", (name,))
            connection.execute("DELETE FROM skipped WHERE repository = ?", (name,))

    def unencoded(self, after: int, limit: int) -> list[tuple[int, Unit]]:
        """Return up to `limit` live units without vectors whose keys follow `after`, ascending."""
        sql = (
            f"SELECT {UNIT_COLUMNS} FROM units u JOIN files f USING (file_key) WHERE f.live = 1 AND u.unit_key > ? "
            "AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.unit_key = u.unit_key) ORDER BY u.unit_key LIMIT ?"
        )
        with self._errors() as connection:
            return [(row[0], _unit(row)) for row in connection.execute(sql, (after, limit))]

    def count_unencoded(self) -> tuple[int, int]:
        """Return how many live units have no vectors, and their characters."""
        sql = (
            "SELECT count(*), coalesce(sum(length(u.text)), 0) FROM units u JOIN files f USING (file_key) "
            "WHERE f.live = 1 AND NOT EXISTS (SELECT 1 FROM blocks b WHERE b.unit_key = u.unit_key)"
        )
        with self._errors() as connection:
            count, characters = connection.execute(sql).fetchone()
        return int(count), int(characters)

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
                rows = []
                for key, vector in unit.new.items():
                    stored = vector.astype(np.float16).tobytes()
                    rows.append((key, stored, _vector_hash(key, stored)))
                connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", rows)
                connection.executemany(
                    "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [
                        (unit.unit, ordinal, block.start_line, block.end_line, block.first, block.last, key)
                        for ordinal, (block, key) in enumerate(zip(unit.blocks, unit.keys, strict=True))
                    ],
                )

    def sweep(self) -> int:
        """Remove blocks of no unit and block vectors that no block uses; return how many vectors."""
        with self._transaction() as connection:
            cursor = connection.execute("DELETE FROM vectors WHERE vector_key NOT IN (SELECT vector_key FROM blocks)")
            return cursor.rowcount

    # inside

    @contextmanager
    def _errors(self) -> Iterator[sqlite3.Connection]:
        with sqlite_errors(self._path):
            yield self._connections.get()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _units_where_live(self, live: int) -> Iterator[tuple[int, int, Unit]]:
        sql = (
            f"SELECT {UNIT_COLUMNS}, f.file_key FROM units u JOIN files f USING (file_key) "
            "WHERE f.live = ? ORDER BY u.unit_key"
        )
        with self._errors() as connection:
            for row in connection.execute(sql, (live,)):
                yield row[14], row[0], _unit(row)

    @staticmethod
    def _manifest(connection: sqlite3.Connection) -> Manifest | None:
        row = connection.execute(
            "SELECT manifest, checksum FROM generations ORDER BY generation DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        if xxhash.xxh3_128_hexdigest(row[0].encode()) != row[1]:
            raise IndexDamaged(f"the index's manifest is damaged; {REPAIR}")
        return read_manifest(row[0])

    def _by_key(self, columns: str, keys: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        rows = {}
        for batch in _batches(keys):
            for row in self._rows_of(columns, batch):
                rows[row[0]] = row
        missing = [key for key in keys if key not in rows]
        if missing:
            raise IndexDamaged(f"{len(missing)} units that the index names are not in its store; {REPAIR}")
        return {key: rows[key] for key in keys}

    def _rows_of(self, columns: str, batch: Sequence[int]) -> list[tuple[Any, ...]]:
        sql = (
            f"SELECT {columns} FROM units u JOIN files f USING (file_key) "
            f"WHERE u.unit_key IN ({_marks(batch)}) ORDER BY u.unit_key"
        )
        with self._errors() as connection:
            return connection.execute(sql, batch).fetchall()


def _batches(keys: Sequence[_T]) -> Iterator[list[_T]]:
    for start in range(0, len(keys), _BATCH):
        yield list(keys[start : start + _BATCH])


def _marks(batch: Sequence[object]) -> str:
    return ",".join("?" * len(batch))


def _head(row: Sequence[Any]) -> Head:
    key, unit_id, repository, path, language, kind, symbol, signature, docstring, start, end = row[:11]
    return Head(key, unit_id, repository, path, language, Kind(kind), symbol, signature, docstring, start, end)


def _unit(row: Sequence[Any]) -> Unit:
    _, unit_id, repository, path, language, kind, symbol, signature, docstring, start, end, cuts, _, text = row[:14]
    where = (unit_id, repository, path, language, Kind(kind))
    return Unit(*where, symbol, signature, docstring, start, end, text, tuple(json.loads(cuts)))


def _unit_hash(row: Sequence[Any]) -> int:
    return row_hash((row[1], *row[5:12], row[13]))


def _vector_hash(key: bytes, vector: bytes) -> int:
    return row_hash((key, vector))


def _vector(stored: bytes, expected: int, key: bytes) -> NDArray[np.float32]:
    if _vector_hash(key, stored) != expected:
        raise IndexDamaged(f"the block vector {key.hex()} is damaged; {REPAIR}")
    return np.frombuffer(stored, dtype=np.float16).astype(np.float32)


def _insert(connection: sqlite3.Connection, record: FileRecord) -> tuple[int, list[int]]:
    cursor = connection.execute(
        "INSERT INTO files (repository, path, language, stamp, content_hash, size, parsed, redactions, units, live)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
        (
            record.repository,
            record.path,
            record.language,
            record.stamp,
            record.content_hash,
            record.size,
            record.parsed,
            record.redactions,
            len(record.units),
        ),
    )
    file_key = cursor.lastrowid or 0
    keys = []
    for unit in record.units:
        fields = (
            unit.kind.value,
            unit.symbol,
            unit.signature,
            unit.docstring,
            unit.start_line,
            unit.end_line,
            json.dumps(unit.cuts),
        )
        hashed = row_hash((unit.id, *fields, unit.text))
        cursor = connection.execute(
            "INSERT INTO units (unit_id, file_key, kind, symbol, signature, docstring, start_line, end_line, cuts,"
            " row_hash, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (unit.id, file_key, *fields, hashed, unit.text),
        )
        keys.append(cursor.lastrowid or 0)
    return file_key, keys


def _delete(connection: sqlite3.Connection, file_keys: Iterable[int]) -> None:
    keys = [(key,) for key in file_keys]
    connection.executemany("DELETE FROM blocks WHERE unit_key IN (SELECT unit_key FROM units WHERE file_key = ?)", keys)
    connection.executemany("DELETE FROM units WHERE file_key = ?", keys)
    connection.executemany("DELETE FROM files WHERE file_key = ?", keys)


def _record(connection: sqlite3.Connection, report: SourceReport) -> None:
    source = report.source
    connection.execute(
        "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?)",
        (source.name, source.kind, source.location, source.revision, source.indexed_at),
    )
    connection.execute("DELETE FROM skipped WHERE repository = ?", (source.name,))
    connection.executemany(
        "INSERT INTO skipped VALUES (?, ?, ?, ?)",
        [(entry.repository, entry.path, entry.reason.value, entry.detail) for entry in report.skipped],
    )
