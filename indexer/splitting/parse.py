"""One file from bytes to units and terms: decoded, redacted, split, sketched. What a worker process does.

No process is started and nothing is stored here.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from indexer.languages import by_name, detect
from indexer.lexical.tokens import index_terms, terms_of, words
from indexer.sources.content import decode
from indexer.sources.secrets import redact
from indexer.splitting.likeness import sketch
from indexer.splitting.units import split_units
from indexer.types import Kind, SourceFile, UnitSpan

# What `parse_file` says of a file.
FIELDS = frozenset({"language", "parsed", "redactions", "path", "units"})
# Shown for files in no language of the table.
PLAIN_TEXT = "text"
_HEAD_BYTES = 4096
_NO_DEFINITION = frozenset({Kind.MODULE, Kind.SECTION})


@dataclass(frozen=True, slots=True)
class ParseRequest:
    """A file to parse; `grammar` False asks for line units only."""

    file: SourceFile
    grammar: bool = True


def request_from(fields: dict[str, Any], content: bytes) -> ParseRequest:
    """Return the request that a frame carries."""
    return ParseRequest(SourceFile(content=content, **fields["file"]), fields["grammar"])


def request_fields(request: ParseRequest) -> dict[str, Any]:
    """Return a request's fields for a frame, without the content."""
    file = asdict(request.file)
    del file["content"]
    return {"file": file, "grammar": request.grammar}


def unit_id(repository: str, path: str, symbol: str, ordinal: int) -> str:
    """Return a unit's id: 16 hexadecimal digits, the same on every machine and back end."""
    joined = "\0".join((repository, path, symbol, str(ordinal)))
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def parse_file(request: ParseRequest) -> dict[str, Any]:
    """Return a file's language, units, terms and sketches as plain values that JSON can hold."""
    file = request.file
    redaction = redact(decode(file.content))
    language = by_name(file.language) if file.language else detect(file.path, file.content[:_HEAD_BYTES])
    if file.record:
        spans, parsed = _record(redaction.text, file, language is not None and request.grammar), True
    else:
        split = split_units(redaction.text, language if request.grammar else None)
        spans, parsed = list(split.units), split.parsed or language is None
    name = language.name if language else file.language or PLAIN_TEXT
    return {
        "language": name,
        "parsed": parsed and request.grammar,
        "redactions": redaction.count,
        "path": index_terms(file.path),
        "units": _units(file, redaction.text, spans),
    }


def _record(text: str, file: SourceFile, grammar: bool) -> list[UnitSpan]:
    """Return a corpus record as its one unit; what the record does not say, its first definition does.

    The splitter also tells where its blocks may begin.
    """
    last = max(1, text.count("\n") + (not text.endswith("\n")))
    language = by_name(file.language) if file.language and grammar else None
    units = split_units(text, language).units
    cuts = sorted({line for unit in units for line in (unit.start_line, *unit.cuts)} - {1})
    first = next((unit for unit in units if unit.symbol and unit.kind not in _NO_DEFINITION), None)
    symbol, docstring, signature = file.symbol, file.docstring, ""
    if first is not None:
        symbol, docstring, signature = symbol or first.symbol, docstring or first.docstring, first.signature
    return [UnitSpan(Kind.FUNCTION, symbol, signature, docstring, 1, last, tuple(cuts))]


def _units(file: SourceFile, text: str, spans: list[UnitSpan]) -> list[list[Any]]:
    lines = text.split("\n")
    seen: dict[str, int] = {}
    rows: list[list[Any]] = []
    for span in spans:
        ordinal = seen[span.symbol] = seen.get(span.symbol, -1) + 1
        body = "\n".join(lines[span.start_line - 1 : span.end_line])
        said = words(body)
        rows.append(
            [
                unit_id(file.repository, file.path, span.symbol, ordinal),
                span.kind.value,
                span.symbol,
                span.signature,
                span.docstring,
                span.start_line,
                span.end_line,
                body,
                span.cuts,
                index_terms(span.symbol),
                index_terms(span.docstring),
                terms_of(said),
                sketch(said).hex(),
            ]
        )
    return rows
