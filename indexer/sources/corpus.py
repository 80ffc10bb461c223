"""A corpus file as a source: JSON lines with CodeSearchNet's or BEIR's fields, one unit a record.

No record is taken apart here, and the file is never held whole.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import xxhash

from indexer.errors import EnvironmentFailed
from indexer.sources.interface import Entry
from indexer.types import Skipped, SkipReason, SourceFile

# A record longer than this is no function; a line without an end must not fill the memory.
_MAX_LINE = 4 << 20
# The first line in the address of a function: "…#L10-L20".
_URL_LINE = re.compile(r"#L(\d{1,9})")


@dataclass(frozen=True)
class CorpusSource:
    """The records of a `.jsonl` or `.jsonl.gz` file."""

    file: Path
    name: str
    kind: str = "corpus"
    revision: str = ""

    @property
    def location(self) -> str:
        """The absolute path."""
        return str(self.file)

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield every record in the order of the file, or why it is skipped."""
        seen: set[int] = set()
        try:
            with self._open() as stream:
                for number, line in enumerate(_lines(stream), 1):
                    if line is not None and not line.strip():
                        continue
                    yield self._record(number, line, seen)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise EnvironmentFailed(f"the corpus {self.file} is damaged: {error}") from error
        except OSError as error:
            raise EnvironmentFailed(f"the corpus {self.file} cannot be read: {error.strerror or error}") from error

    def _open(self) -> BinaryIO:
        if self.file.suffix == ".gz":
            return cast(BinaryIO, gzip.open(self.file, "rb"))
        return self.file.open("rb")

    def _record(self, number: int, line: bytes | None, seen: set[int]) -> Entry | Skipped:
        place = f"{self.file.name}:{number}"
        if line is None:
            return Skipped(self.name, place, SkipReason.MALFORMED, f"longer than {_MAX_LINE} bytes")
        try:
            fields = json.loads(line)
            if not isinstance(fields, dict):
                raise TypeError("not a JSON object")
            file = _csn(self.name, fields, number) if "func_name" in fields else _beir(self.name, fields)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return Skipped(self.name, place, SkipReason.MALFORMED, f"{type(error).__name__}: {error}"[:200])
        identity = xxhash.xxh3_64_intdigest(file.path.encode())
        if identity in seen:
            return Skipped(self.name, place, SkipReason.MALFORMED, f"{file.path} is there already")
        if not file.content.strip():
            return Skipped(self.name, place, SkipReason.EMPTY)
        seen.add(identity)
        return Entry(file.path, "", partial(_same, file))


def _same(file: SourceFile) -> SourceFile:
    return file


def _text(fields: dict[str, Any], name: str) -> str:
    """Return a field that is a text or missing, without lone surrogates."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{name} is not a text")
    return value.encode("utf-8", "replace").decode()


def _csn(name: str, fields: dict[str, Any], number: int) -> SourceFile:
    """Read CodeSearchNet's fields; the line in the path is the function's, else the record's."""
    symbol = _text(fields, "func_name")
    place = "/".join(filter(None, (_text(fields, "repo"), _text(fields, "path"))))
    line = _URL_LINE.search(_text(fields, "url"))
    code = _text(fields, "code") or _text(fields, "original_string")
    return SourceFile(
        repository=name,
        path=f"{place}#{symbol}@{line[1] if line else number}",
        content=code.encode(),
        language=_text(fields, "language") or None,
        record=True,
        symbol=symbol,
        docstring=_text(fields, "docstring"),
    )


def _beir(name: str, fields: dict[str, Any]) -> SourceFile:
    """Read BEIR's fields; `_id` is the path."""
    if isinstance(fields.get("_id"), int) and not isinstance(fields["_id"], bool):
        fields["_id"] = str(fields["_id"])
    path, metadata = _text(fields, "_id"), fields.get("metadata") or {}
    if not path:
        raise KeyError("neither func_name nor _id")
    if not isinstance(metadata, dict):
        raise TypeError("metadata is not an object")
    return SourceFile(
        repository=name,
        path=path,
        content=_text(fields, "text").encode(),
        language=_text(metadata, "language") or None,
        record=True,
        symbol=_text(fields, "title"),
    )


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield lines; None in place of one that is too long."""
    while line := stream.readline(_MAX_LINE):
        if len(line) == _MAX_LINE and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_MAX_LINE)
            yield None
        else:
            yield line
