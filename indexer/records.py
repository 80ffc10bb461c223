"""What the store keeps of a source and of a parsed file: made from what was read, written by others."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from indexer.sources.interface import Source
from indexer.splitting.pool import ParsedFile
from indexer.store.interface import FileRecord, SourceRow
from indexer.types import Kind, SourceFile, Unit


def content_hash(file: SourceFile) -> bytes:
    """Return what tells two versions of a file apart: its bytes and what the source says of it."""
    digest = hashlib.blake2b(file.content, digest_size=16)
    digest.update("\0".join(("", file.language or "", file.symbol, file.docstring)).encode("utf-8", "surrogatepass"))
    return digest.digest()


def source_row(source: Source) -> SourceRow:
    """Return a source as it is now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return SourceRow(source.name, source.kind, source.location, source.revision, now)


def file_record(file: SourceFile, parsed: ParsedFile, *, stamp: str, digest: bytes) -> FileRecord:
    """Return a parsed file with its units; `stamp` and `digest` tell later whether it changed."""
    fields = parsed.fields
    units = tuple(
        Unit(
            id=row[0],
            repository=file.repository,
            path=file.path,
            language=fields["language"],
            kind=Kind(row[1]),
            symbol=row[2],
            signature=row[3],
            docstring=row[4],
            start_line=row[5],
            end_line=row[6],
            text=row[7],
            cuts=tuple(row[8]),
        )
        for row in fields["units"]
    )
    return FileRecord(
        repository=file.repository,
        path=file.path,
        language=fields["language"],
        stamp=stamp,
        content_hash=digest,
        size=len(file.content),
        parsed=fields["parsed"],
        redactions=fields["redactions"],
        units=units,
        sketches=tuple(bytes.fromhex(row[12]) for row in fields["units"]),
    )
