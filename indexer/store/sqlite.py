"""The store in one SQLite file: the default source of truth.

Rows of files and units never change once written; a changed file is a new row and the old one goes
when the generation moves. No index is derived here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.store.connection import create
from indexer.store.interface import (
    CodeRewriting,
    FileRecord,
    Forgotten,
    Keys,
    KnownFile,
    NewRewriting,
    SourceReport,
    SourceRow,
    UnitVectors,
)
from indexer.store.manifest import Manifest
from indexer.store.rewritings import (
    UNWRITTEN,
    WORTH_REWRITING,
    insert_rewriting,
    link_staged,
    newest_of,
    publish_links,
    relinked_units,
    sweep_rewritings,
    vectors_of,
)
from indexer.store.rewritings import insert_vectors as insert_rewriting_vectors
from indexer.store.rows import (
    delete_files,
    delete_source,
    insert_file,
    insert_report,
    insert_vectors,
    unit_of,
)
from indexer.store.schema import UNIT_COLUMNS
from indexer.store.sqlite_reading import SqliteReader, batches, manifest_hash, marks, roll_back
from indexer.types import Unit

# Units without vectors of a depth or more, and those that answer most questions.
_SHALLOWER = "NOT EXISTS (SELECT 1 FROM blocks b WHERE b.unit_key = u.unit_key AND b.ordinal = 0 AND b.depth >= ?)"
_USEFUL = (
    "u.kind IN ('function', 'method', 'class') AND f.path NOT LIKE 'test%' AND f.path NOT LIKE '%/test%' "
    "AND f.path NOT LIKE '%^_test.%' ESCAPE '^' AND f.path NOT LIKE '%.test.%'"
)


class SqliteStore(SqliteReader):
    """Files, units, blocks, block vectors and the generation, in `folder`/store.sqlite3."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        if writable:
            create(folder)
        super().__init__(folder)

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
                "INSERT INTO generations VALUES (?, ?, ?)", (manifest.generation, text, manifest_hash(text))
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
        for batch in batches(file_keys):
            with self._errors() as connection:
                sql = f"SELECT unit_key FROM units WHERE file_key IN ({marks(batch)})"
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
        for batch in batches(keys):
            with self._errors() as connection:
                sql = f"SELECT vector_key FROM vectors WHERE vector_key IN ({marks(batch)})"
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
        of_sources = f"AND f.repository IN ({marks(sources)}) " if sources else ""
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

    def rewriting_vectors(self, keys: Sequence[int], depth: int) -> dict[int, NDArray[np.float32]]:
        """Return the vectors (texts, dim) made at a depth, by rewriting; those that were not made are left out."""
        found: dict[int, NDArray[np.float32]] = {}
        for batch in batches(keys):
            with self._errors() as connection:
                found |= vectors_of(connection, batch, depth)
        return found

    def save_rewriting_vectors(self, vectors: Mapping[int, NDArray[np.float32]], depth: int) -> None:
        """Write the vectors (texts, dim) of rewritings, made at a depth, durably in place of those that were there."""
        with self._transaction() as connection:
            insert_rewriting_vectors(connection, vectors, depth)

    # inside

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                roll_back(connection)
                raise

    def _units_where_live(self, live: int) -> Iterator[tuple[int, int, Unit]]:
        sql = (
            f"SELECT {UNIT_COLUMNS}, f.file_key FROM units u JOIN files f USING (file_key) "
            "WHERE f.live = ? ORDER BY u.unit_key"
        )
        with self._errors() as connection:
            for row in connection.execute(sql, (live,)):
                yield row[15], row[0], unit_of(row)
