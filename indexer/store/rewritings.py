"""Rewritings in the SQLite store: what was written from units' texts, which units have it, and its vectors.

Every statement here is handed an open connection; nothing is opened, begun or committed.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import IndexDamaged
from indexer.store.interface import CodeRewriting, NewRewriting
from indexer.store.manifest import REINDEX
from indexer.store.schema import row_hash

# Shorter units say all there is to say: a getter, a constant.
_LEAST_CHARS = 24
# Units for which something is written: what people ask for. Documents speak for themselves.
WORTH_REWRITING = f"u.kind IN ('function', 'method', 'class') AND length(u.text) >= {_LEAST_CHARS}"
# Units for which a generator, named once, has not written all.
UNWRITTEN = (
    "NOT EXISTS (SELECT 1 FROM unit_rewritings l JOIN rewritings r USING (rewriting_key) "
    "WHERE l.unit_key = u.unit_key AND r.generator = ? AND r.code <> '')"
)
_REWRITING = "r.rewriting_key, r.text_hash, r.generator, r.purpose, r.code, r.row_hash"
_LINKED = (
    f"SELECT l.unit_key, l.rewriting_key, l.row_hash, {_REWRITING} FROM unit_rewritings l "
    "LEFT JOIN rewritings r USING (rewriting_key)"
)


def text_hash(text: str) -> bytes:
    """Return 16 bytes that stand for a unit's text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def rewritings_of(connection: sqlite3.Connection, keys: Sequence[int], *, staged: bool) -> dict[int, CodeRewriting]:
    """Return the rewritings of units, as live or as `staged`; raise IndexDamaged for a row that is not as written."""
    marks = ",".join("?" * len(keys))
    which = "" if staged else "AND l.live = 1"
    sql = f"{_LINKED} WHERE l.unit_key IN ({marks}) {which} ORDER BY l.live DESC"
    found = {}
    for row in connection.execute(sql, keys):
        if not _is_whole(row):
            raise IndexDamaged(f"the rewriting of unit {row[0]} is damaged; {REINDEX}")
        found[row[0]] = CodeRewriting(row[3], *row[5:8])
    return found


def newest_of(connection: sqlite3.Connection, text: str, generator: str) -> CodeRewriting | None:
    """Return the newest rewriting of a text by a generator; one that is damaged is none."""
    sql = f"SELECT {_REWRITING} FROM rewritings r WHERE r.text_hash = ? AND r.generator = ? ORDER BY 1 DESC LIMIT 1"
    row = connection.execute(sql, (text_hash(text), generator)).fetchone()
    return CodeRewriting(row[0], *row[2:5]) if row is not None and row_hash(row[:5]) == row[5] else None


def insert_rewriting(connection: sqlite3.Connection, written: NewRewriting) -> None:
    """Write a rewriting, unless it is there, and stage it for the units that have its text."""
    row = (text_hash(written.text), written.generator, written.purpose, written.code)
    sql = "SELECT rewriting_key FROM rewritings WHERE text_hash = ? AND generator = ? AND purpose = ? AND code = ?"
    there = connection.execute(sql, row).fetchone()
    if there is None:
        # The hash covers the key, which is thus chosen here.
        sql = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'rewritings'"
        there = connection.execute(sql).fetchone()
        whole = (there[0], *row)
        connection.execute("INSERT INTO rewritings VALUES (?, ?, ?, ?, ?, ?)", (*whole, row_hash(whole)))
    for unit_id in written.units:
        sql = "SELECT unit_key FROM units WHERE unit_id = ? AND text = ?"
        for (unit_key,) in connection.execute(sql, (unit_id, written.text)).fetchall():
            _link(connection, unit_key, there[0])


def link_staged(connection: sqlite3.Connection, units: Iterable[tuple[int, str]]) -> None:
    """Give new units, by key and text, the newest rewriting that their very text has already."""
    if not any_rewritings(connection):
        return
    for key, text in units:
        sql = "SELECT max(rewriting_key) FROM rewritings WHERE text_hash = ?"
        (newest,) = connection.execute(sql, (text_hash(text),)).fetchone()
        if newest is not None:
            _link(connection, key, newest)


def _link(connection: sqlite3.Connection, unit_key: int, rewriting_key: int) -> None:
    link = (unit_key, rewriting_key)
    connection.execute("INSERT OR REPLACE INTO unit_rewritings VALUES (?, 0, ?, ?)", (*link, row_hash(link)))


def publish_links(connection: sqlite3.Connection) -> None:
    """Let what is staged take the place of what was there."""
    newer = "SELECT unit_key FROM unit_rewritings WHERE live = 0"
    connection.execute(f"DELETE FROM unit_rewritings WHERE live = 1 AND unit_key IN ({newer})")
    connection.execute("UPDATE unit_rewritings SET live = 1 WHERE live = 0")


def relinked_units(connection: sqlite3.Connection) -> list[tuple[int, int, int | None]]:
    """Return (file key, unit key, depth of its vectors) of the live units with a staged rewriting."""
    sql = (
        "SELECT u.file_key, u.unit_key, b.depth FROM unit_rewritings l JOIN units u USING (unit_key) "
        "JOIN files f USING (file_key) LEFT JOIN blocks b ON b.unit_key = u.unit_key AND b.ordinal = 0 "
        "WHERE l.live = 0 AND f.live = 1 ORDER BY 1, 2"
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(sql)]


def any_rewritings(connection: sqlite3.Connection) -> bool:
    """Tell whether there is any rewriting."""
    return connection.execute("SELECT 1 FROM rewritings LIMIT 1").fetchone() is not None


def count_rewritten(connection: sqlite3.Connection) -> int:
    """Return how many live units have a rewriting."""
    sql = (
        "SELECT count(*) FROM unit_rewritings l JOIN units u USING (unit_key) JOIN files f USING (file_key) "
        "WHERE l.live = 1 AND f.live = 1"
    )
    return int(connection.execute(sql).fetchone()[0])


def vectors_of(connection: sqlite3.Connection, keys: Sequence[int], depth: int) -> dict[int, NDArray[np.float32]]:
    """Return the vectors (texts, dim) of rewritings at a depth; a damaged row is none: it can be made again."""
    marks = ",".join("?" * len(keys))
    sql = f"SELECT rewriting_key, depth, vectors, row_hash FROM rewriting_vectors WHERE rewriting_key IN ({marks})"
    rows = [row for row in connection.execute(sql, keys) if row[1] == depth and _vectors_are_whole(row)]
    return {row[0]: _read_vectors(row[2]) for row in rows}


def insert_vectors(connection: sqlite3.Connection, vectors: Mapping[int, NDArray[np.float32]], depth: int) -> None:
    """Write the vectors (texts, dim) of rewritings, as float16."""
    rows = [(key, depth, _written_vectors(each)) for key, each in vectors.items()]
    connection.executemany(
        "INSERT OR REPLACE INTO rewriting_vectors VALUES (?, ?, ?, ?)", [(*row, row_hash(row)) for row in rows]
    )


def _written_vectors(vectors: NDArray[np.float32]) -> bytes:
    return bytes([len(vectors)]) + vectors.astype(np.float16).tobytes()


def _read_vectors(blob: bytes) -> NDArray[np.float32]:
    return np.frombuffer(blob, dtype=np.float16, offset=1).astype(np.float32).reshape(blob[0], -1)


def sweep_rewritings(connection: sqlite3.Connection) -> None:
    """Remove the rewritings that no unit has, with their vectors."""
    connection.execute("DELETE FROM rewritings WHERE rewriting_key NOT IN (SELECT rewriting_key FROM unit_rewritings)")
    connection.execute(
        "DELETE FROM rewriting_vectors WHERE rewriting_key NOT IN (SELECT rewriting_key FROM rewritings)"
    )


def altered_rewritings(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what is said of every row of a rewriting that is not what was written."""
    for row in connection.execute(f"SELECT {_REWRITING} FROM rewritings r"):
        if row_hash(row[:5]) != row[5]:
            yield f"rewriting {row[0]} is altered"
    for row in connection.execute(_LINKED):
        if not _is_whole(row):
            yield f"the rewriting of unit {row[0]} is not what was written"
    for row in connection.execute("SELECT rewriting_key, depth, vectors, row_hash FROM rewriting_vectors"):
        if not _vectors_are_whole(row):
            yield f"the vectors of rewriting {row[0]} are altered"


def _is_whole(row: Sequence[Any]) -> bool:
    return bool(row_hash(row[:2]) == row[2] and row[3] is not None and row_hash(row[3:8]) == row[8])


def _vectors_are_whole(row: Sequence[Any]) -> bool:
    return bool(row_hash(row[:3]) == row[3])
