"""Choosing the kind of a source from what the user wrote: one place."""

from __future__ import annotations

from pathlib import Path

from indexer.errors import UsageError
from indexer.sources.corpus import CorpusSource
from indexer.sources.folder import FolderSource
from indexer.sources.git import is_bare, is_repository, open_git
from indexer.sources.interface import Source

MAX_BYTES = 1 << 20
_CORPUS_ENDINGS = (".jsonl", ".jsonl.gz")


def open_source(
    text: str,
    *,
    cache: Path,
    name: str | None = None,
    include_vendored: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Source:
    """Return the source that a path, `repository@revision` or URL names; raise UsageError if there is none."""
    if text.startswith("-") or "::" in text:
        raise UsageError(f"{text!r} is not a source: name a folder, a repository, a corpus file or an https address")
    if "://" in text:
        address, _, revision = text.partition("@") if "@" in text.rpartition("/")[2] else (text, "", "")
        return open_git(address, revision, name, cache, max_bytes)
    path = Path(text).expanduser()
    if not path.exists():
        return _at_revision(text, name, cache, max_bytes)
    path = path.resolve()
    if path.is_file() and path.name.endswith(_CORPUS_ENDINGS):
        return CorpusSource(path, name or path.name.partition(".jsonl")[0])
    if is_bare(path):
        return open_git(str(path), "", name, cache, max_bytes)
    default = path.parent.name if path.is_file() else path.name
    return FolderSource(path, name or default or "root", include_vendored, max_bytes)


def _at_revision(text: str, name: str | None, cache: Path, max_bytes: int) -> Source:
    place, at, revision = text.rpartition("@")
    if not at or not revision or not is_repository(Path(place)):
        raise UsageError(f"there is nothing at {text}; name a folder, a repository, a corpus file or an https address")
    return open_git(place, revision, name, cache, max_bytes)
