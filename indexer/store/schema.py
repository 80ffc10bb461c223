"""The tables of the SQLite store, and the hash that each row of a unit carries.

Only definitions: nothing here opens a database.
"""

from __future__ import annotations

from collections.abc import Sequence

import xxhash

# Changes whenever an older version could misread the store; an index of an older format is refused by name, but for the
# one that only lacks the tables of rewritings: it gets them when it is opened.
FORMAT = 5
WITHOUT_REWRITINGS = 4
# "Fthm": tells our files from other SQLite files.
APPLICATION_ID = 0x4674686D

TABLES = """
CREATE TABLE generations (generation INTEGER PRIMARY KEY, manifest TEXT NOT NULL, checksum TEXT NOT NULL);
CREATE TABLE sources (
    name TEXT PRIMARY KEY, kind TEXT NOT NULL, location TEXT NOT NULL, revision TEXT NOT NULL,
    indexed_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE skipped (repository TEXT NOT NULL, path TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX skipped_repository ON skipped (repository);
CREATE TABLE files (
    file_key INTEGER PRIMARY KEY AUTOINCREMENT, repository TEXT NOT NULL, path TEXT NOT NULL,
    language TEXT NOT NULL, stamp TEXT NOT NULL, content_hash BLOB NOT NULL, size INTEGER NOT NULL,
    parsed INTEGER NOT NULL, redactions INTEGER NOT NULL, units INTEGER NOT NULL, live INTEGER NOT NULL
);
CREATE UNIQUE INDEX files_path ON files (repository, path, live);
CREATE TABLE units (
    unit_key INTEGER PRIMARY KEY AUTOINCREMENT, unit_id TEXT NOT NULL, file_key INTEGER NOT NULL,
    kind TEXT NOT NULL, symbol TEXT NOT NULL, signature TEXT NOT NULL, docstring TEXT NOT NULL,
    start_line INTEGER NOT NULL, end_line INTEGER NOT NULL, sketch BLOB NOT NULL, cuts TEXT NOT NULL,
    row_hash INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE INDEX units_id ON units (unit_id);
CREATE INDEX units_file ON units (file_key);
CREATE TABLE blocks (
    unit_key INTEGER NOT NULL, ordinal INTEGER NOT NULL, start_line INTEGER NOT NULL,
    end_line INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, depth INTEGER NOT NULL,
    vector_key BLOB NOT NULL, row_hash INTEGER NOT NULL, PRIMARY KEY (unit_key, ordinal)
) WITHOUT ROWID;
CREATE TABLE vectors (vector_key BLOB PRIMARY KEY, vector BLOB NOT NULL, row_hash INTEGER NOT NULL);
"""
# What was written from units' texts, which units have it (live 0: from the next generation on), and its vectors.
REWRITING_TABLES = (
    "CREATE TABLE rewritings (rewriting_key INTEGER PRIMARY KEY AUTOINCREMENT, text_hash BLOB NOT NULL, "
    "generator TEXT NOT NULL, purpose TEXT NOT NULL, code TEXT NOT NULL, row_hash INTEGER NOT NULL)",
    "CREATE INDEX rewritings_text ON rewritings (text_hash)",
    "CREATE TABLE unit_rewritings (unit_key INTEGER NOT NULL, live INTEGER NOT NULL, rewriting_key INTEGER NOT NULL, "
    "row_hash INTEGER NOT NULL, PRIMARY KEY (unit_key, live)) WITHOUT ROWID",
    "CREATE INDEX unit_rewritings_key ON unit_rewritings (rewriting_key)",
    "CREATE TABLE rewriting_vectors (rewriting_key INTEGER PRIMARY KEY, depth INTEGER NOT NULL, vectors BLOB NOT NULL, "
    "row_hash INTEGER NOT NULL)",
)

# In the order of a Head's fields.
HEAD_COLUMNS = (
    "u.unit_key, u.unit_id, f.repository, f.path, f.language, u.kind, u.symbol, u.start_line, u.end_line, "
    "u.docstring <> '', u.sketch, f.units"
)
UNIT_COLUMNS = (
    "u.unit_key, u.unit_id, f.repository, f.path, f.language, u.kind, u.symbol, u.signature, u.docstring, "
    "u.start_line, u.end_line, u.sketch, u.cuts, u.row_hash, u.text"
)
BLOCK_COLUMNS = (
    "b.unit_key, b.ordinal, b.start_line, b.end_line, b.first, b.last, b.depth, b.vector_key, b.row_hash, "
    "v.vector, v.row_hash"
)


def row_hash(fields: Sequence[object]) -> int:
    """Return the XXH3 (64 bit, signed) of a row's fields, each ended by a byte that UTF-8 never has."""
    digest = xxhash.xxh3_64()
    for value in fields:
        digest.update(value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass"))
        digest.update(b"\xff")
    return digest.intdigest() - (1 << 63)
