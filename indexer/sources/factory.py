"""Choosing the kind of a source from what the user wrote: one place.

No file is read here.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from indexer.errors import UsageError
from indexer.sources.corpus import CorpusSource
from indexer.sources.folder import FolderSource
from indexer.sources.git import is_bare, is_repository, open_git
from indexer.sources.interface import Source

# Hand-written files above this are rare, and a parser's time grows with them.
MAX_BYTES = 1 << 20
_CORPUS_ENDINGS = (".jsonl", ".jsonl.gz")
_CHOICES = "a folder, a file, a repository, a corpus (.jsonl, .jsonl.gz) or an https address"


def open_source(
    text: str,
    *,
    cache: Path,
    name: str | None = None,
    include_vendored: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Source:
    """Return the source that a path, `repository@revision` or https address names.

    A folder is read as it lies there, a bare repository or one at a revision from its objects.
    Raises UsageError if there is no such source; `cache` takes clones.
    """
    if text.startswith("-") or "::" in text.partition("://")[0] or "\0" in text or not text:
        raise UsageError(f"{text!r} is not a source: name {_CHOICES}")
    open_repository = partial(open_git, name=name, cache=cache, include_vendored=include_vendored, max_bytes=max_bytes)
    if "://" in text:
        return open_repository(*_split_address(text))
    path = Path(text).expanduser()
    if not path.exists():
        return open_repository(*_split_revision(text))
    path = path.resolve()
    if path.is_file() and path.name.lower().endswith(_CORPUS_ENDINGS):
        return CorpusSource(path, name or path.name.partition(".jsonl")[0])
    if is_bare(path):
        return open_repository(str(path), "")
    if not path.is_file() and not path.is_dir():
        raise UsageError(f"{text} is neither a file nor a folder: name {_CHOICES}")
    return FolderSource(path, name or path.name or "root", include_vendored, max_bytes)


def _split_address(text: str) -> tuple[str, str]:
    """Split an address at the first "@" of its path: "https://host/a/b@revision"."""
    host_start = text.index("://") + len("://")
    path_start = text.find("/", host_start)
    at = text.find("@", path_start) if path_start >= 0 else -1
    return (text, "") if at < 0 else (text[:at], text[at + 1 :])


def _split_revision(text: str) -> tuple[str, str]:
    """Split "path@revision" where the path is a repository; either part may hold more of "@"."""
    for at in (index for index, letter in enumerate(text) if letter == "@"):
        place = Path(text[:at]).expanduser()
        if text[at + 1 :] and at and is_repository(place):
            return str(place), text[at + 1 :]
    raise UsageError(f"there is nothing at {text}: name {_CHOICES}")
