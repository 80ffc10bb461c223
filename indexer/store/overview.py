"""What is read of the SQLite store as a whole: every unit's filterable fields, counts, and what is wrong.

Every statement here is handed an open connection; nothing is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.store.interface import Catalogue, SourceRow, Statistics
from indexer.store.manifest import Manifest
from indexer.store.rewritings import altered_rewritings, count_rewritten
from indexer.store.rows import block_is_whole, unit_is_whole
from indexer.store.schema import BLOCK_COLUMNS, UNIT_COLUMNS


def read_catalogue(connection: sqlite3.Connection) -> Catalogue:
    """Return every live unit by its filterable fields."""
    files = connection.execute(
        "SELECT file_key, repository, path, language FROM files WHERE live = 1 ORDER BY file_key"
    ).fetchall()
    units = connection.execute(
        "SELECT u.unit_key, u.file_key, u.kind, u.symbol FROM units u JOIN files f USING (file_key) "
        "WHERE f.live = 1 ORDER BY u.unit_key"
    ).fetchall()
    file_keys = np.array([row[0] for row in files], dtype=np.int64)
    columns = list(zip(*units, strict=True)) or [(), (), (), ()]
    kinds, symbols = (list(dict.fromkeys(column)) for column in columns[2:])
    return Catalogue(
        keys=np.array(columns[0], dtype=np.int64),
        file=np.searchsorted(file_keys, np.array(columns[1], dtype=np.int64)).astype(np.int32),
        kind=_places(columns[2], kinds),
        symbol=_places(columns[3], symbols),
        files=[(row[1], row[2], row[3]) for row in files],
        kinds=kinds,
        symbols=symbols,
    )


def _places(values: Sequence[str], distinct: Sequence[str]) -> NDArray[np.int32]:
    place = {value: at for at, value in enumerate(distinct)}
    return np.fromiter((place[value] for value in values), np.int32, len(values))


def read_sources(connection: sqlite3.Connection) -> tuple[SourceRow, ...]:
    """Return the sources by name."""
    rows = connection.execute("SELECT name, kind, location, revision, indexed_at FROM sources ORDER BY name")
    return tuple(SourceRow(*row) for row in rows)


def read_statistics(connection: sqlite3.Connection) -> Statistics:
    """Return counts of the published state."""
    files, size, redactions, unparsed, units = connection.execute(
        "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(redactions), 0), "
        "coalesce(sum(parsed = 0), 0), coalesce(sum(units), 0) FROM files WHERE live = 1"
    ).fetchone()
    languages = connection.execute(
        "SELECT language, count(*), sum(units), sum(size) FROM files WHERE live = 1 GROUP BY 1 ORDER BY 3 DESC, 1"
    )
    kinds = connection.execute(
        "SELECT u.kind, count(*) FROM units u JOIN files f USING (file_key) WHERE f.live = 1 "
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return Statistics(
        sources=read_sources(connection),
        languages={row[0]: (row[1], row[2], row[3]) for row in languages},
        skipped=_skipped(connection),
        files=files,
        units=units,
        blocks=connection.execute("SELECT count(*) FROM blocks").fetchone()[0],
        bytes=size,
        redactions=redactions,
        unparsed=unparsed,
        kinds=dict(kinds),
        rewritten=count_rewritten(connection),
    )


def _skipped(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    counts = "SELECT repository, reason, count(*) FROM skipped GROUP BY 1, 2 ORDER BY 1, 2"
    skipped: dict[str, dict[str, int]] = {}
    for repository, reason, count in connection.execute(counts):
        skipped.setdefault(repository, {})[reason] = count
    return skipped


def altered(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what is said of every row of a unit, a block or a rewriting that is not what was written."""
    units = f"SELECT {UNIT_COLUMNS} FROM units u LEFT JOIN files f USING (file_key)"
    for row in connection.execute(units):
        if not unit_is_whole(row):
            yield f"unit {row[1]} of {row[3]} is altered"
    blocks = f"SELECT {BLOCK_COLUMNS} FROM blocks b LEFT JOIN vectors v USING (vector_key)"
    for row in connection.execute(blocks):
        if not block_is_whole(row):
            yield f"block {row[1]} of unit {row[0]}, or its vector, is altered"
    yield from altered_rewritings(connection)


def miscounted(connection: sqlite3.Connection, manifest: Manifest | None) -> Iterator[str]:
    """Yield what is said of every file whose units are not all there, and of the whole."""
    short = connection.execute(
        "SELECT f.path, f.units, count(u.unit_key) FROM files f LEFT JOIN units u USING (file_key) "
        "GROUP BY f.file_key HAVING f.units <> count(u.unit_key)"
    )
    for path, wanted, found in short:
        yield f"{path} has {found} of {wanted} units"
    live = connection.execute("SELECT coalesce(sum(units), 0) FROM files WHERE live = 1").fetchone()[0]
    if manifest is not None and live != manifest.documents:
        yield f"{live} units are live instead of {manifest.documents}"
