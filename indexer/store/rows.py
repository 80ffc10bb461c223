"""Rows of the SQLite store to values and back, each verified by the hash that it carries.

Every statement here is handed an open connection; nothing is opened, begun or committed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import IndexDamaged
from indexer.store.interface import FileRecord, SourceReport, UnitVectors
from indexer.store.manifest import REINDEX
from indexer.store.schema import row_hash
from indexer.types import Block, Kind, Skipped, SkipReason, Unit

# Where UNIT_COLUMNS holds text: its hash is that of the same bytes as a blob, into which one bit can turn it.
_TEXTS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 14)


def unit_of(row: Sequence[Any]) -> Unit:
    """Return a row of UNIT_COLUMNS as a value; raise IndexDamaged if it is not what was written."""
    if not unit_is_whole(row):
        raise _damaged(row)
    _, unit_id, repository, path, language, kind, symbol, signature, docstring, start, end, _, cuts, _, text = row[:15]
    where = (unit_id, repository, path, language, Kind(kind))
    return Unit(*where, symbol, signature, docstring, start, end, text, tuple(json.loads(cuts)))


def unit_is_whole(row: Sequence[Any]) -> bool:
    """Tell whether a row of UNIT_COLUMNS is what was written."""
    return all(isinstance(row[at], str) for at in _TEXTS) and row_hash((*row[:13], row[14])) == row[13]


def _damaged(row: Sequence[Any]) -> IndexDamaged:
    return IndexDamaged(
        f"the row of unit {row[1]} ({row[3]}) is damaged; run `fathom remove {row[2]}` and index that source again"
    )


def block_of(row: Sequence[Any]) -> tuple[Block, NDArray[np.float32]]:
    """Return a row of BLOCK_COLUMNS as a block and its vector; raise IndexDamaged if either is not what was written."""
    if not block_is_whole(row):
        raise IndexDamaged(f"the vector of a block of unit {row[0]} is damaged; {REINDEX}")
    return Block(*row[2:6]), np.frombuffer(row[9], dtype=np.float16).astype(np.float32)


def block_is_whole(row: Sequence[Any]) -> bool:
    """Tell whether a row of BLOCK_COLUMNS, vector included, is what was written."""
    return bool(row_hash(row[:8]) == row[8] and row_hash((row[7], row[9])) == row[10])


def skipped_of(row: Sequence[Any]) -> Skipped:
    """Return a row of skipped files as a value; raise IndexDamaged for a reason that there is not."""
    try:
        return Skipped(row[0], row[1], SkipReason(row[2]), row[3])
    except ValueError as error:
        raise IndexDamaged(f"the store's row of the skipped file {row[1]} is damaged; {REINDEX}") from error


def insert_file(connection: sqlite3.Connection, record: FileRecord) -> tuple[int, list[int]]:
    """Write a file, not live yet, and its units; return the file's key and the units' keys."""
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
    # The hash covers the key, which is thus chosen here; it is never one that was published before.
    first = connection.execute("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'units'").fetchone()
    keys = list(range(first[0], first[0] + len(record.units)))
    connection.executemany(
        "INSERT INTO units (unit_key, unit_id, file_key, kind, symbol, signature, docstring, start_line, end_line,"
        " sketch, cuts, row_hash, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            _unit_row(key, file_key, unit, sketch)
            for key, unit, sketch in zip(keys, record.units, record.sketches, strict=True)
        ],
    )
    return file_key, keys


def _unit_row(key: int, file_key: int, unit: Unit, sketch: bytes) -> tuple[object, ...]:
    where = (unit.repository, unit.path, unit.language)
    said = (unit.kind.value, unit.symbol, unit.signature, unit.docstring, unit.start_line, unit.end_line)
    rest = (sketch, json.dumps(unit.cuts))
    return key, unit.id, file_key, *said, *rest, row_hash((key, unit.id, *where, *said, *rest, unit.text)), unit.text


def delete_files(connection: sqlite3.Connection, file_keys: Iterable[int]) -> None:
    """Remove files with their units, the blocks of these and their share in rewritings."""
    keys = [(key,) for key in file_keys]
    connection.executemany("DELETE FROM blocks WHERE unit_key IN (SELECT unit_key FROM units WHERE file_key = ?)", keys)
    connection.executemany(
        "DELETE FROM unit_rewritings WHERE unit_key IN (SELECT unit_key FROM units WHERE file_key = ?)", keys
    )
    connection.executemany("DELETE FROM units WHERE file_key = ?", keys)
    connection.executemany("DELETE FROM files WHERE file_key = ?", keys)


def insert_vectors(connection: sqlite3.Connection, unit: UnitVectors) -> None:
    """Write a unit's blocks, in place of those it had, and their new vectors, as float16."""
    stored = {key: vector.astype(np.float16).tobytes() for key, vector in unit.new.items()}
    connection.executemany(
        "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)",
        [(key, vector, row_hash((key, vector))) for key, vector in stored.items()],
    )
    rows = [
        (unit.unit, ordinal, block.start_line, block.end_line, block.first, block.last, unit.depth, key)
        for ordinal, (block, key) in enumerate(zip(unit.blocks, unit.keys, strict=True))
    ]
    connection.execute("DELETE FROM blocks WHERE unit_key = ?", (unit.unit,))
    connection.executemany(
        "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [(*row, row_hash(row)) for row in rows]
    )


def insert_report(connection: sqlite3.Connection, report: SourceReport) -> None:
    """Write a source as a finished run found it."""
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


def delete_source(connection: sqlite3.Connection, name: str) -> None:
    """Remove what is known of a source besides its files."""
    connection.execute("DELETE FROM sources WHERE name = ?", (name,))
    connection.execute("DELETE FROM skipped WHERE repository = ?", (name,))
