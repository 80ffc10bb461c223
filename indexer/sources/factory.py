"""Choosing the kind of a source from what the user wrote: one place.

No file is read here.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from indexer.errors import EnvironmentFailed, UsageError
from indexer.sources.corpus import CORPUS_ENDINGS, CorpusSource
from indexer.sources.folder import FolderSource
from indexer.sources.git import is_bare, is_repository, open_git
from indexer.sources.interface import Source

# Hand-written files above this are rare, and a parser's time grows with them.
MAX_BYTES = 1 << 20
_KINDS = "a folder, a file, a repository, a corpus (.jsonl, .jsonl.gz) or an https address"
_SSH = re.compile(r"[\w.-]+@[\w.-]+:")
# What git would take for a program of its own to run.
_REMOTE_PROGRAM = re.compile(r"\w+::")


def open_source(
    text: str,
    *,
    cache: Path,
    name: str | None = None,
    include_vendored: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Source:
    """Return the source that a path, an https address, or either with `@revision` names.

    A folder is read as its files lie there, a bare repository or one at a revision from its objects. Copies of
    remote repositories are kept in `cache`. Raise UsageError when nothing is there or the name cannot be
    shown, EnvironmentFailed when it cannot be looked at.
    """
    if not _is_plain(text) or _REMOTE_PROGRAM.match(text):
        raise UsageError(f"{text!r} is not a source: name {_KINDS}")
    if name is not None and not _is_plain(name):
        raise UsageError(f"{name!r} is not a name: use letters and digits, without a dash first")
    open_repository = partial(open_git, name=name, cache=cache, include_vendored=include_vendored, max_bytes=max_bytes)
    if "://" in text:
        return open_repository(*_split_address(text))
    place, revision = _split_path(text)
    path = Path(place).expanduser().resolve()
    if revision or is_bare(path):
        return open_repository(str(path), revision)
    if not path.is_file() and not path.is_dir():
        raise UsageError(f"{text} is neither a file nor a folder: name {_KINDS}")
    if path.is_file() and path.name.lower().endswith(CORPUS_ENDINGS):
        return CorpusSource(path, name or _corpus_name(path), max_bytes)
    folder = path.parent if path.is_file() else path
    return FolderSource(path, name or folder.name or "root", include_vendored, max_bytes)


def _is_plain(text: str) -> bool:
    """Tell whether a text can be shown and is no option: no control characters, no bytes that are not UTF-8."""
    shown = not any(letter < " " or letter == "\x7f" or "\ud800" <= letter <= "\udfff" for letter in text)
    return shown and bool(text.strip()) and not text.startswith("-")


def _split_address(text: str) -> tuple[str, str]:
    """Return an address and what stands behind the first "@" of its path: "https://host/a/b@revision"."""
    scheme, _, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    path, at, revision = path.partition("@")
    if at and not revision:
        raise UsageError(f"{text!r} names no revision behind the @")
    return f"{scheme}://{host}{slash}{path}", revision


def _split_path(text: str) -> tuple[str, str]:
    """Return a path and the revision behind it; a path that exists as it is written has none."""
    place = text
    while not _exists(place):
        place, at, _ = place.rpartition("@")
        if not at or not place:
            raise UsageError(_nothing_at(text))
    revision = text[len(place) + 1 :]
    if place != text and not revision:
        raise UsageError(f"{text!r} names no revision behind the @")
    if revision and not is_repository(Path(place).expanduser()):
        raise UsageError(f"{place!r} is not a git repository, so it has no revision {revision!r}")
    return place, revision


def _nothing_at(text: str) -> str:
    if _SSH.match(text):
        return f"{text!r} is an ssh address, which is not read: clone it and name the folder"
    return f"there is nothing at {text}: name {_KINDS}"


def _exists(place: str) -> bool:
    try:
        Path(place).expanduser().stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, RuntimeError) as error:
        raise EnvironmentFailed(f"{place!r} cannot be looked at: {error}") from error
    return True


def _corpus_name(path: Path) -> str:
    """Return the file's name without its ending; `corpus.jsonl` is called after its folder (BEIR's layout)."""
    stem = path.name[: path.name.lower().rindex(".jsonl")]
    return stem if stem not in ("", "corpus") else path.parent.name or "corpus"
