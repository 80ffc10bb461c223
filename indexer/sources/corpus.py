"""A corpus file as a source: JSON lines with CodeSearchNet's or BEIR's fields, one unit a record."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from indexer.errors import EnvironmentFailed
from indexer.sources.interface import Entry
from indexer.types import Skipped, SkipReason, SourceFile

# A record longer than this is no function; a line without an end must not fill the memory.
_MAX_LINE = 4 << 20


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
        seen: set[str] = set()
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

    def _record(self, number: int, line: bytes | None, seen: set[str]) -> Entry | Skipped:
        place = f"{self.file.name}:{number}"
        if line is None:
            return Skipped(self.name, place, SkipReason.MALFORMED, f"longer than {_MAX_LINE} bytes")
        try:
            fields = json.loads(line)
            file = _csn(self.name, fields) if "func_name" in fields else _beir(self.name, fields)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            return Skipped(self.name, place, SkipReason.MALFORMED, f"{type(error).__name__}: {error}"[:200])
        if file.path in seen:
            return Skipped(self.name, place, SkipReason.MALFORMED, f"the id {file.path} is there already")
        if not file.content.strip():
            return Skipped(self.name, place, SkipReason.EMPTY)
        seen.add(file.path)
        return Entry(file.path, "", partial(_same, file))


def _same(file: SourceFile) -> SourceFile:
    return file


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{field} is not a text")
    return value.encode("utf-8", "replace").decode()


def _csn(name: str, fields: dict[str, Any]) -> SourceFile:
    code = _text(fields.get("code") or fields["original_string"], "code")
    symbol = _text(fields["func_name"], "func_name")
    path = "/".join(filter(None, (_text(fields.get("repo", ""), "repo"), _text(fields.get("path", ""), "path"))))
    url = _text(fields.get("url", ""), "url")
    lines = url.rpartition("#")[2] if "#" in url else ""
    return SourceFile(
        repository=name,
        path="#".join(filter(None, (path, symbol, lines))),
        content=code.encode(),
        language=fields.get("language"),
        record=True,
        symbol=symbol,
        docstring=_text(fields.get("docstring", ""), "docstring"),
    )


def _beir(name: str, fields: dict[str, Any]) -> SourceFile:
    metadata = fields.get("metadata") or {}
    return SourceFile(
        repository=name,
        path=str(fields["_id"]),
        content=_text(fields["text"], "text").encode(),
        language=metadata.get("language"),
        record=True,
        symbol=_text(fields.get("title", ""), "title"),
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
