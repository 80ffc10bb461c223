"""Opening the store's database: one connection a thread, the right pragmas, our own errors.

No rows are read or written here beyond the format's own marks.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.errors import EnvironmentFailed, IndexDamaged, IndexIncompatible, IndexMissing
from indexer.store.manifest import REINDEX, disk_errors, sync
from indexer.store.schema import APPLICATION_ID, FORMAT, REWRITING_TABLES, TABLES, WITHOUT_REWRITINGS

STORE_FILE = "store.sqlite3"

# How long a reader waits for a writer's short exclusive moments before it gives up.
_BUSY_SECONDS = 30.0
_CACHE_KIB = 64_000

# SQLITE_ERROR and MISMATCH: our statements fit our tables, so the tables are not ours any more. No code (0): the driver
# found text that is not UTF-8.
_DAMAGE_CODES = {
    0,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
}


class Connections:
    """One SQLite connection for each thread that asks.

    Where the store was deleted, or deleted and made anew, a connection goes on with what was there: `renew` tells.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / STORE_FILE
        self._local = threading.local()

    def get(self) -> sqlite3.Connection:
        """Return the calling thread's connection, opening it at first use."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # Looked at first: where it is replaced meanwhile, `renew` sees another and opens once more.
            identity = self._identity()
            connection = self._local.connection = self._open()
            self._local.identity = identity
        return connection

    @property
    def identity(self) -> tuple[int, int] | None:
        """What tells the file that the calling thread reads from others that are open."""
        self.get()
        identity: tuple[int, int] | None = self._local.identity
        return identity

    def renew(self) -> bool:
        """Close the calling thread's connection if another file is in its place by now, or none; tell whether so."""
        if getattr(self._local, "connection", None) is None or self._local.identity == self._identity():
            return False
        self.close()
        return True

    def close(self) -> None:
        """Close the calling thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = self._local.identity = None

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self) -> sqlite3.Connection:
        if not self._path.is_file():
            raise IndexMissing(f"there is no index at {self._path.parent}; make one with `fathom index SOURCE`")
        with sqlite_errors(self._path):
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            _check_format(connection, self._path)
        return connection


def create(folder: Path) -> None:
    """Make an empty store in `folder` if there is none; only its owner may read it."""
    path = folder / STORE_FILE
    if path.exists():
        return
    with disk_errors(folder):
        _create(path)


def _create(path: Path) -> None:
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite would replay the journal of a store that is gone, or of one half made, into the new one.
    for stale in folder.glob(f"{STORE_FILE}*"):
        stale.unlink()
    partial = folder / f"{STORE_FILE}.new"
    with sqlite_errors(path):
        connection = sqlite3.connect(partial, isolation_level=None)
        connection.executescript(
            f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={FORMAT}; BEGIN; {TABLES} "
            f"{'; '.join(REWRITING_TABLES)}; COMMIT;"
            "PRAGMA journal_mode=WAL;"
        )
        connection.close()
    partial.rename(path)
    sync(folder)


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    marks = _marks(connection)
    if marks == (APPLICATION_ID, WITHOUT_REWRITINGS):
        marks = _with_rewritings(connection)
    if not path.stat().st_size:
        connection.close()
        raise IndexDamaged(f"the store {path} is empty; {REINDEX}")
    if marks[0] != APPLICATION_ID:
        connection.close()
        raise IndexIncompatible(f"{path} is not a Fathom index; name another folder with --index")
    if marks[1] != FORMAT:
        connection.close()
        raise IndexIncompatible(
            f"the index {path.parent} has format {marks[1]}, this version reads format {FORMAT}; {REINDEX}"
        )


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    program = connection.execute("PRAGMA application_id").fetchone()[0]
    return program, connection.execute("PRAGMA user_version").fetchone()[0]


def _with_rewritings(connection: sqlite3.Connection) -> tuple[int, int]:
    """Give a store the tables of rewritings, in one transaction, if nobody has meanwhile; no row of it is touched."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _marks(connection)[1] == WITHOUT_REWRITINGS:
            for statement in REWRITING_TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={FORMAT}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return _marks(connection)


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours: damage, or the machine's failure."""
    try:
        yield
    except UnicodeDecodeError as error:  # SQLite quotes a damaged schema in its message
        raise IndexDamaged(f"the store {path} is damaged; {REINDEX}") from error
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in _DAMAGE_CODES and not isinstance(error, sqlite3.ProgrammingError):
            raise IndexDamaged(f"the store {path} is damaged ({error}); {REINDEX}") from error
        raise EnvironmentFailed(f"the store {path} cannot be used: {error}") from error
