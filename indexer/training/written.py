"""Queries written for mined code from reading it: what is typed into a search engine, and questions.

`written.jsonl.gz` (JSON lines: `code`, the digest of the code, `web`, `question`; and its place, for who reads them)
holds no code: it is joined with what was mined. Which pairs a batch has is not decided here.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from indexer.errors import UsageError

WRITTEN = Path(__file__).with_name("written.jsonl.gz")
_KINDS = ("web", "question")


def code_digest(code: str) -> str:
    """Return what names a code in `written.jsonl.gz`: BLAKE2b of its text without spaces round it, 16 digits."""
    return hashlib.blake2b(code.strip().encode("utf-8", "replace"), digest_size=8).hexdigest()


Queries = Mapping[str, Sequence[str]]


def read_written(path: Path = WRITTEN) -> Queries:
    """Return the queries of each code's digest; raise UsageError naming a file or line that cannot be read."""
    found: dict[str, Sequence[str]] = {}
    line = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for line, text in enumerate(stream, 1):  # noqa: B007 - told where it goes wrong
                row = json.loads(text)
                found[row["code"]] = [row[kind] for kind in _KINDS]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}:{line}: no written queries: {error!r}") from error
    return found


def written_pairs(mined: Iterable[Mapping[str, str]], written: Queries) -> Iterator[dict[str, str]]:
    """Yield a pair for each query written for a mined code, whose own query is its documentation."""
    for pair in mined:
        for query in written.get(code_digest(pair["code"]), ()):
            yield {**pair, "query": query, "documentation": pair["query"]}
