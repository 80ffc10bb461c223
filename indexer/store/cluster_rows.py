"""Rows of the store in a cluster: how its index is laid out, and documents to values and back.

Each is verified by the hash that it carries, as SQLite's rows are. Nothing is asked or written here.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.cluster.generations import FIELDS as GENERATIONS
from indexer.errors import IndexDamaged
from indexer.store.interface import CodeRewriting, FileRecord, Head, UnitVectors
from indexer.store.manifest import REINDEX
from indexer.store.schema import row_hash
from indexer.types import Block, Kind, Skipped, SkipReason, Unit

Document = dict[str, Any]

# Fields take no more than 32,766 bytes; what is longer is read from the row itself.
LONGEST_FIELD = 8_000
_LONGEST_HEAD = 32_000
# Shorter units say all there is to say: a getter, a constant.
_LEAST_CHARS = 24
_ANSWERING = (Kind.FUNCTION, Kind.METHOD, Kind.CLASS)

_WORD: Mapping[str, Any] = {"type": "keyword", "ignore_above": LONGEST_FIELD}
MAPPING: Mapping[str, Any] = {
    "row": {"type": "keyword"},
    "key": {"type": "long"},
    "file": {"type": "long"},
    "unit_id": _WORD,
    # What stands for a file, for a unit's path or for a vector's key: a path may be longer than a field.
    "place": {"type": "keyword"},
    "repository": _WORD,
    "path": _WORD,
    "language": {"type": "keyword"},
    "kind": {"type": "keyword"},
    "symbol": _WORD,
    "start_line": {"type": "integer"},
    "end_line": {"type": "integer"},
    "documented": {"type": "boolean"},
    "sketch": {"type": "binary", "doc_values": True},
    "useful": {"type": "boolean"},
    "rewritable": {"type": "boolean"},
    "units": {"type": "integer"},
    "size": {"type": "long"},
    "parsed": {"type": "boolean"},
    "redactions": {"type": "integer"},
    "depth": {"type": "integer"},
    "blocks": {"type": "integer"},
    "uses": {"type": "keyword"},
    "reason": {"type": "keyword"},
    "text_hash": {"type": "keyword"},
    "generator": _WORD,
    "rewriting": {"type": "long"},
    # A unit's HEAD_FIELDS in one: hundreds of units are read with every query, and each field of each costs time.
    "head": {"type": "binary", "doc_values": True},
    **GENERATIONS,
    "body": {"type": "object", "enabled": False},
}
# The fields of a Head, in a row of a unit.
HEAD_FIELDS = tuple(
    "key unit_id repository path language kind symbol start_line end_line documented sketch units".split()  # noqa: SIM905
)


def packed(value: bytes) -> str:
    """Return bytes as text."""
    return base64.b64encode(value).decode()


def unpacked(text: str) -> bytes:
    """Return bytes that were written as text."""
    return base64.b64decode(text)


def text_hash(text: str) -> str:
    """Return 32 digits that stand for a unit's text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def place_of(repository: str, path: str) -> str:
    """Return 32 digits that stand for a file."""
    return text_hash(f"{repository}\n{path}")


def file_row(record: FileRecord, key: int) -> Document:
    """Return a file's row."""
    return {
        "row": "file",
        "key": key,
        "file": key,
        "place": place_of(record.repository, record.path),
        "repository": record.repository,
        "path": record.path,
        "language": record.language,
        "units": len(record.units),
        "size": record.size,
        "parsed": bool(record.parsed),
        "redactions": record.redactions,
        "body": {"stamp": record.stamp, "content_hash": packed(record.content_hash)},
    }


def unit_row(unit: Unit, sketch: bytes, key: int, file: int, units: int) -> Document:
    """Return the row of one of a file's `units` units."""
    row: Document = {
        "row": "unit",
        "key": key,
        "file": file,
        "unit_id": unit.id,
        "place": text_hash(unit.path),
        "repository": unit.repository,
        "path": unit.path,
        "language": unit.language,
        "kind": unit.kind.value,
        "symbol": unit.symbol,
        "start_line": unit.start_line,
        "end_line": unit.end_line,
        "documented": bool(unit.docstring),
        "useful": unit.kind in _ANSWERING and not _is_test(unit.path),
        "rewritable": unit.kind in _ANSWERING and len(unit.text) >= _LEAST_CHARS,
        "sketch": packed(sketch),
        "units": units,
        "body": {
            "signature": unit.signature,
            "docstring": unit.docstring,
            "cuts": list(unit.cuts),
            "text": unit.text,
            "hash": _unit_hash(key, unit, packed(sketch)),
        },
    }
    head = json.dumps([row[name] for name in HEAD_FIELDS]).encode()
    return row if len(head) > _LONGEST_HEAD else {**row, "head": packed(head)}


def _is_test(path: str) -> bool:
    """Tell, as the SQLite store does, whether a file is a test: what it defines answers few questions."""
    low = path.lower()
    return low.startswith("test") or "/test" in low or "_test." in low or ".test." in low


def _unit_hash(key: int, unit: Unit, sketch: str) -> int:
    where = (unit.repository, unit.path, unit.language)
    said = (unit.kind.value, unit.symbol, unit.signature, unit.docstring, unit.start_line, unit.end_line)
    return row_hash((key, unit.id, *where, *said, sketch, json.dumps(unit.cuts), unit.text))


def unit_of(row: Document) -> Unit:
    """Return a unit's row as a value; raise IndexDamaged if it is not what was written."""
    try:
        body = row["body"]
        where = (row["unit_id"], row["repository"], row["path"], row["language"], Kind(row["kind"]))
        said = (row["symbol"], body["signature"], body["docstring"], row["start_line"], row["end_line"])
        unit = Unit(*where, *said, body["text"], tuple(body["cuts"]))
        whole = _unit_hash(row["key"], unit, row["sketch"]) == body["hash"]
    except (KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise IndexDamaged(
            f"the row of unit {row.get('unit_id')} ({row.get('path')}) is damaged; run `fathom remove "
            f"{row.get('repository')}` and index that source again"
        )
    return unit


def record_of(file: Document, units: Sequence[Document]) -> FileRecord:
    """Return a file's row, with those of its units, as it was staged."""
    return FileRecord(
        repository=file["repository"],
        path=file["path"],
        language=file["language"],
        stamp=file["body"]["stamp"],
        content_hash=unpacked(file["body"]["content_hash"]),
        size=file["size"],
        parsed=file["parsed"],
        redactions=file["redactions"],
        units=tuple(map(unit_of, units)),
        sketches=tuple(unpacked(row["sketch"]) for row in units),
    )


def unpacked_head(text: str) -> Head:
    """Return the `head` of a unit's row; raise IndexDamaged where it is none."""
    try:
        *values, sketch, units = json.loads(unpacked(text))
        return Head._make([*values, unpacked(sketch), units])
    except (ValueError, TypeError) as error:
        raise IndexDamaged(f"the row of a unit is damaged: {error}; {REINDEX}") from error


def head_of(row: Document) -> Head:
    """Return the HEAD_FIELDS of a unit's row as a head; raise IndexDamaged where one of them is not there."""
    try:
        values = [row[name] for name in HEAD_FIELDS]
    except KeyError as error:
        raise IndexDamaged(f"the row of unit {row.get('unit_id')} lacks {error}; {REINDEX}") from error
    return Head._make([*values[:-2], unpacked(values[-2]), values[-1]])


def blocks_row(unit: UnitVectors, of: Document) -> Document:
    """Return the row of a unit's blocks; `of` says the unit's file and generations."""
    body = [
        [block.start_line, block.end_line, block.first, block.last, key.hex()]
        for block, key in zip(unit.blocks, unit.keys, strict=True)
    ]
    return {
        "row": "blocks",
        "key": unit.unit,
        "file": of["file"],
        "added": of["added"],
        "removed": of["removed"],
        "depth": unit.depth,
        "blocks": len(unit.blocks),
        "uses": sorted({key.hex() for key in unit.keys}),
        "body": {"blocks": body, "hash": _blocks_hash(unit.unit, unit.depth, body)},
    }


def _blocks_hash(unit: int, depth: int, body: Sequence[Sequence[object]]) -> int:
    return row_hash([unit, depth, *(value for block in body for value in block)])


def blocks_of(row: Document) -> list[tuple[Block, str]]:
    """Return the blocks of a row, each with the name of its vector; raise IndexDamaged if it is not as written."""
    body = row.get("body", {}).get("blocks", [])
    if _blocks_hash(row["key"], row["depth"], body) != row["body"].get("hash"):
        raise IndexDamaged(f"the blocks of unit {row['key']} are damaged; {REINDEX}")
    return [(Block(*block[:4]), block[4]) for block in body]


def vector_row(name: str, vector: NDArray[np.float32]) -> Document:
    """Return the row of a block's vector (dim,), kept as float16."""
    text = packed(vector.astype(np.float16).tobytes())
    return {"row": "vector", "place": name, "body": {"vector": text, "hash": row_hash((name, text))}}


def vector_of(name: str, row: Document) -> NDArray[np.float32]:
    """Return the vector (dim,) of a row; raise IndexDamaged if it is not what was written."""
    text = row["body"].get("vector", "")
    if row_hash((name, text)) != row["body"].get("hash"):
        raise IndexDamaged(f"the vector {name} of a block is damaged; {REINDEX}")
    return np.frombuffer(base64.b64decode(text), dtype=np.float16).astype(np.float32)


def skipped_row(entry: Skipped, key: int) -> Document:
    """Return the row of a file that is not indexed."""
    where = {"repository": entry.repository, "path": entry.path}
    return {"row": "skipped", "key": key, **where, "reason": entry.reason.value, "body": {"detail": entry.detail}}


def skipped_of(row: Document) -> Skipped:
    """Return a row of skipped files as a value; raise IndexDamaged for a reason that there is not."""
    try:
        return Skipped(row["repository"], row["path"], SkipReason(row["reason"]), row["body"]["detail"])
    except (KeyError, ValueError) as error:
        raise IndexDamaged(f"the row of the skipped file {row.get('path')} is damaged; {REINDEX}") from error


def rewriting_row(written: CodeRewriting, hashed: str) -> Document:
    """Return the row of what was written from the text with a hash."""
    said = {"purpose": written.purpose, "code": written.code}
    whole = row_hash((written.key, hashed, written.generator, written.purpose, written.code))
    where = {"row": "rewriting", "key": written.key, "text_hash": hashed, "generator": written.generator}
    return {**where, "body": {**said, "hash": whole}}


def rewriting_of(row: Document) -> CodeRewriting | None:
    """Return what was written, None if the row is not as it was written."""
    body = row.get("body", {})
    values = [row.get("key"), row.get("text_hash"), row.get("generator"), body.get("purpose"), body.get("code")]
    if row_hash(values) != body.get("hash"):
        return None
    return CodeRewriting(int(row["key"]), row["generator"], body["purpose"], body["code"])


def written_vectors_row(key: int, vectors: NDArray[np.float32], depth: int) -> Document:
    """Return the row of the vectors (texts, dim) of a rewriting."""
    text = packed(vectors.astype(np.float16).tobytes())
    body = {"texts": len(vectors), "vectors": text, "hash": row_hash((key, depth, len(vectors), text))}
    return {"row": "rewritten", "key": key, "depth": depth, "body": body}


def written_vectors_of(row: Document) -> NDArray[np.float32] | None:
    """Return the vectors (texts, dim) of a row, None if it is not what was written."""
    body = row["body"]
    if row_hash((row["key"], row["depth"], body.get("texts"), body.get("vectors"))) != body.get("hash"):
        return None
    flat = np.frombuffer(base64.b64decode(body["vectors"]), dtype=np.float16).astype(np.float32)
    return flat.reshape(body["texts"], -1)
