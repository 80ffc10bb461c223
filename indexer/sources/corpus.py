"""A corpus file as a source: JSON lines with CodeSearchNet's or BEIR's fields, one unit a record.

Data sets are not evaluated here, and no query is read.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import xxhash

from indexer.errors import EnvironmentFailed
from indexer.sources.content import refuse_size
from indexer.sources.interface import Entry
from indexer.types import Skipped, SkipReason, SourceFile

CORPUS_ENDINGS = (".jsonl", ".jsonl.gz")
# A record is a function; a line without an end, as a gzip bomb has, must not fill the memory.
_MAX_LINE = 4 << 20
# Of a message about a broken record; it may quote the record.
_MAX_DETAIL = 200


@dataclass(frozen=True, slots=True)
class CorpusSource:
    """The records of a `.jsonl` or `.jsonl.gz` file. Memory: some 70 bytes a record, to find ids used twice."""

    file: Path
    name: str
    max_bytes: int
    kind: str = "corpus"
    revision: str = ""

    @property
    def location(self) -> str:
        """The absolute path."""
        return str(self.file)

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield every record in the order of the file, or why it is skipped; a stamp is a hash of the line.

        Raise EnvironmentFailed when the file cannot be read to its end: a part must not pass for the whole.
        """
        seen: set[int] = set()
        number = 0
        try:
            with self._open() as stream:
                for number, line in enumerate(_lines(stream), 1):
                    if line is None or line.strip():
                        yield self._entry(number, line, seen)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise EnvironmentFailed(
                f"the corpus {self.file} is damaged after line {number}: {error}; fetch it again"
            ) from error
        except OSError as error:
            raise EnvironmentFailed(f"the corpus {self.file} cannot be read: {error.strerror or error}") from error

    def _open(self) -> BufferedIOBase:
        return gzip.open(self.file, "rb") if self.file.suffix.lower() == ".gz" else self.file.open("rb")

    def _entry(self, number: int, line: bytes | None, seen: set[int]) -> Entry | Skipped:
        place = f"{self.file.name}:{number}"
        if line is None:
            return Skipped(self.name, place, SkipReason.MALFORMED, f"the line is longer than {_MAX_LINE} bytes")
        try:
            file = _record(self.name, line)
        except (ValueError, RecursionError) as error:
            return Skipped(self.name, place, SkipReason.MALFORMED, _words(error))
        key = xxhash.xxh3_64_intdigest(file.path.encode())
        if key in seen:
            return Skipped(self.name, place, SkipReason.MALFORMED, f"the id {file.path!r} was used before")
        seen.add(key)
        refusal = refuse_size(len(file.content.strip()), self.max_bytes)
        if refusal is not None:
            return Skipped(self.name, file.path, refusal.reason, refusal.detail)
        return Entry(file.path, xxhash.xxh3_128_hexdigest(line), partial(_read, file))


def _record(name: str, line: bytes) -> SourceFile:
    """Return the record of a line; raise ValueError for one that cannot be read, naming the field."""
    fields = json.loads(line.decode("utf-8-sig"))
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    if "_id" in fields:
        return _beir(name, fields)
    if "func_name" in fields or "path" in fields:
        return _code_search_net(name, fields)
    raise ValueError('it has neither "_id" and "text" nor "path", "func_name" and "code"')


def _read(file: SourceFile) -> SourceFile | Skipped:
    return file


def _beir(name: str, fields: Mapping[str, Any]) -> SourceFile:
    metadata = fields.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise ValueError('"metadata" is not an object')
    return SourceFile(
        repository=name,
        path=_identifier(fields),
        content=_text(fields, "text").encode(),
        language=_text(metadata, "language", "") or _text(fields, "language", "") or None,
        record=True,
        symbol=_text(fields, "title", ""),
    )


def _code_search_net(name: str, fields: Mapping[str, Any]) -> SourceFile:
    code = _text(fields, "code", "") or _text(fields, "original_string")
    symbol = _text(fields, "func_name", "")
    return SourceFile(
        repository=name,
        path=_path(fields, symbol, code),
        content=code.encode(),
        language=_text(fields, "language", "") or None,
        record=True,
        symbol=symbol,
        docstring=_text(fields, "docstring", ""),
    )


def _path(fields: Mapping[str, Any], symbol: str, code: str) -> str:
    """Return `repository/path#function@line`; without a line in the address, a hash of the code tells apart."""
    parts = (_text(fields, "repo", ""), _text(fields, "path", ""))
    line = _text(fields, "url", "").rpartition("#L")[2].partition("-")[0]
    place = line if line.isascii() and line.isdigit() else xxhash.xxh3_64_hexdigest(code.encode())[:8]
    return f"{'/'.join(part for part in parts if part)}#{symbol}@{place}"


def _identifier(fields: Mapping[str, Any]) -> str:
    value = fields["_id"]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    identifier = _text(fields, "_id")
    if not identifier:
        raise ValueError('"_id" is empty')
    return identifier


def _text(fields: Mapping[str, Any], field: str, default: str | None = None) -> str:
    """Return a field as text that UTF-8 can hold: JSON's escapes can spell half a character."""
    value = fields.get(field)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ValueError(f'"{field}" is {"missing" if value is None else "not a text"}')
    return value.encode("utf-8", "replace").decode()


def _words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)[:_MAX_DETAIL].encode("utf-8", "replace").decode()


def _lines(stream: BufferedIOBase) -> Iterator[bytes | None]:
    """Yield lines; None in place of one that is too long, of which no more than a part is held."""
    while line := stream.readline(_MAX_LINE + 1):
        if len(line) <= _MAX_LINE or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(_MAX_LINE)
        yield None
