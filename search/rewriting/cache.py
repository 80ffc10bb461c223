"""What was generated for queries, kept for the next time: one SQLite file that many processes share.

A cache only: what cannot be read is a miss, what is damaged is begun anew, and the oldest entries go. It holds no
query in words, but what was written for one, so only its owner may read it. Nothing is generated here.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from indexer.errors import EnvironmentFailed

FILE = "exemplars.sqlite"
# Entries that are kept: of a kilobyte each, as code for a query has.
MOST = 20_000
# Bytes of one entry: more is no answer to a query.
_MOST_BYTES = 1 << 18
# Seconds that a reader, whom a search waits for, and a writer wait for other processes.
_READ_WAIT, _WRITE_WAIT = 0.05, 5.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS exemplars (
    number INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, key TEXT NOT NULL, texts TEXT NOT NULL,
    UNIQUE (source, key)
)"""


class Exemplars:
    """The exemplars of queries by what wrote them and the query's key, in a file below `folder`.

    Safe to share between threads and processes: each call opens the file for itself.
    """

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self._path = folder / FILE
        self._most = most

    def get(self, source: str, key: str) -> tuple[str, ...]:
        """Return what is kept, () for nothing."""
        if not self._path.exists():
            return ()
        with suppress(sqlite3.Error, OSError, ValueError), self._opened(_READ_WAIT) as connection:
            asked = "SELECT texts FROM exemplars WHERE source = ? AND key = ?"
            row = connection.execute(asked, (source, key)).fetchone()
            return _texts(row[0]) if row else ()
        return ()

    def put(self, source: str, key: str, texts: tuple[str, ...]) -> None:
        """Keep texts, the newest instead of older ones; raise EnvironmentFailed where the disk does not let it."""
        written = json.dumps(texts, ensure_ascii=False)
        if len(written) > _MOST_BYTES:
            return
        try:
            self._insert(source, key, written)
        except (sqlite3.Error, OSError) as error:
            raise EnvironmentFailed(f"{self._path}: what was generated cannot be kept: {error}") from error

    def _insert(self, source: str, key: str, written: str) -> None:
        try:
            self._write(source, key, written)
        except sqlite3.OperationalError:  # busy, full, read only: not the file's fault
            raise
        except sqlite3.DatabaseError:
            self._begin_anew()
            self._write(source, key, written)

    def _write(self, source: str, key: str, written: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with self._opened(_WRITE_WAIT) as connection, connection:
            connection.execute(_SCHEMA)
            new = "INSERT OR REPLACE INTO exemplars (source, key, texts) VALUES (?, ?, ?)"
            number = connection.execute(new, (source, key, written)).lastrowid
            connection.execute("DELETE FROM exemplars WHERE number <= ?", ((number or 0) - self._most,))

    def _begin_anew(self) -> None:
        for ending in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + ending).unlink(missing_ok=True)

    @contextmanager
    def _opened(self, wait: float) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=wait)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection


def _texts(written: str) -> tuple[str, ...]:
    """Return the texts of an entry; raise ValueError for what is none."""
    found = json.loads(written)
    if not isinstance(found, list) or not all(isinstance(text, str) and text.strip() for text in found):
        raise ValueError("no list of texts")
    return tuple(found)
