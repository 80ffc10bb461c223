"""A git repository at a revision as a source, read from its objects: no work tree, hooks or submodules.

Copies of remote repositories are made in `cloning`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from indexer.errors import EnvironmentFailed, UsageError
from indexer.sources.cloning import clone
from indexer.sources.content import refuse_content, refuse_size
from indexer.sources.git_command import Conversation, GitFailed, reading_git, run_git
from indexer.sources.ignore import FATHOM_IGNORE, MAX_IGNORE_BYTES, TOO_MANY_RULES, Rules
from indexer.sources.interface import Entry
from indexer.sources.naming import is_doubtful, is_folder_mark, refuse_folder, refuse_name
from indexer.types import Skipped, SkipReason, SourceFile

_SYMLINK, _SUBMODULE = b"120000", b"160000"
# "<object> <type> <size>"; a missing object is answered in two words.
_HEADER_FIELDS = 3
_NOT_HELD = "the repository does not hold this file"
_BY_MODE = {
    _SYMLINK: (SkipReason.SYMLINK, "links are not followed"),
    _SUBMODULE: (SkipReason.SUBMODULE, "a repository of its own"),
}


@dataclass(frozen=True, slots=True)
class GitSource:
    """The files of one commit of the repository `git_dir`; `location` is what the user named.

    `.gitignore` says nothing about committed files; `.fathomignore` files of the commit are honoured.
    """

    git_dir: Path
    name: str
    location: str
    revision: str
    include_vendored: bool
    max_bytes: int
    kind: str = "git"

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield every file in the order of its path's bytes, or why it is skipped; a stamp is a blob's id."""
        survey = self._survey()
        with _Blobs(self.git_dir) as blobs, closing(self._rows("--long")) as rows:
            descent = _Descent(self, survey, blobs)
            for row in rows:
                found = descent.visit(row)
                if found is not None:
                    yield found

    def _survey(self) -> _Survey:
        """Look at all names once, and a second time if a folder must be judged by what is in it."""
        survey = _Survey()
        for row in self._rows():
            survey.note(row)
        if survey.names:
            for row in self._rows():
                survey.collect(row.path)
        return survey

    def _rows(self, *options: str) -> Generator[_Row, None, None]:
        arguments = ["ls-tree", "-r", "-z", "--full-tree", *options, self.revision]
        with reading_git(arguments, self.git_dir) as listing:
            for record in listing.records():
                yield _row(record)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of `git ls-tree`; `size` is -1 where git does not say."""

    mode: bytes
    blob: str
    size: int
    path: str
    readable: bool


@dataclass(slots=True)
class _Survey:
    """What must be known of a tree before its first file is judged; grows with doubtful folders only."""

    ignore_files: dict[str, _Row] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)

    def note(self, row: _Row) -> None:
        """Keep where ignore files are, and which folders' names are needed."""
        *folders, name = row.path.split("/")
        if name == FATHOM_IGNORE and row.mode not in _BY_MODE:
            self.ignore_files["".join(f"{folder}/" for folder in folders)] = row
        if folders and is_folder_mark(name):
            self.names.setdefault("/".join(folders), set())
        for depth, folder in enumerate(folders):
            if is_doubtful(folder):
                self.names.setdefault("/".join(folders[: depth + 1]), set())
                self.names.setdefault("/".join(folders[:depth]), set())

    def collect(self, path: str) -> None:
        """Add a path's parts to the folders whose names are needed."""
        parts = path.split("/")
        for depth, part in enumerate(parts):
            wanted = self.names.get("/".join(parts[:depth]))
            if wanted is not None:
                wanted.add(part)


class _Descent:
    """Where in the tree the listing stands; every folder is judged once, on the first file in it."""

    def __init__(self, source: GitSource, survey: _Survey, blobs: _Blobs) -> None:
        self._source, self._survey, self._blobs = source, survey, blobs
        self._unread: set[str] = set()
        self._stack: list[tuple[str, Rules]] = [("", self._with_ignore_file(Rules(), ""))]
        self._left_out: Skipped | None = None

    def visit(self, row: _Row) -> Entry | Skipped | None:
        """Return a file, why it or its folder is skipped, or None below a folder that was reported."""
        if self._left_out is not None and row.path.startswith(self._left_out.path):
            return None
        if not row.readable:
            return self._skip(row.path, SkipReason.UNREADABLE, "its name is not a path in UTF-8")
        self._left_out = self._enter(row.path)
        return self._left_out or self._file(row)

    def _enter(self, path: str) -> Skipped | None:
        """Move to a file's folder; return the first folder on the way that is skipped."""
        while not path.startswith(self._stack[-1][0]):
            self._stack.pop()
        at, rules = self._stack[-1]
        while (end := path.find("/", len(at)) + 1) > 0:
            skipped = self._folder(path[:end], rules)
            if skipped is not None:
                return skipped
            at = path[:end]
            rules = self._with_ignore_file(rules, at)
            self._stack.append((at, rules))
        return None

    def _folder(self, path: str, rules: Rules) -> Skipped | None:
        ignored, asked = rules.decide(path[:-1], folder=True)
        if ignored:
            return self._skip(path, SkipReason.IGNORED, "with all that is in it")
        if asked or self._source.include_vendored:
            return None
        above, _, name = path[:-1].rpartition("/")
        names = self._survey.names
        refusal = refuse_folder(name, names.get(path[:-1]), names.get(above, ()))
        return self._skip(path, refusal.reason, refusal.detail) if refusal else None

    def _file(self, row: _Row) -> Entry | Skipped:
        if row.mode in _BY_MODE:
            return self._skip(row.path, *_BY_MODE[row.mode])
        if self._stack[-1][1].decide(row.path, folder=False)[0]:
            return self._skip(row.path, SkipReason.IGNORED)
        if row.size < 0:
            return self._skip(row.path, SkipReason.UNREADABLE, _NOT_HELD)
        if row.path in self._unread:
            return self._skip(row.path, SkipReason.UNREADABLE, f"{TOO_MANY_RULES}; its rules are not applied")
        refusal = refuse_name(row.path) or refuse_size(row.size, self._source.max_bytes)
        if refusal is not None:
            return self._skip(row.path, refusal.reason, refusal.detail)
        return Entry(row.path, row.blob, partial(self._read, row.path, row.blob))

    def _read(self, path: str, blob: str) -> SourceFile | Skipped:
        content = self._blobs.read(blob, self._source.max_bytes)
        if content is None:
            return self._skip(path, SkipReason.UNREADABLE, _NOT_HELD)
        refusal = refuse_content(path, content)
        if refusal is not None:
            return self._skip(path, refusal.reason, refusal.detail)
        return SourceFile(self._source.name, path, content)

    def _with_ignore_file(self, rules: Rules, folder: str) -> Rules:
        row = self._survey.ignore_files.get(folder)
        if row is None:
            return rules
        content = self._blobs.read(row.blob, MAX_IGNORE_BYTES)
        if content is None:
            self._unread.add(row.path)
            return rules
        return rules.within(folder, fathom=content.decode("utf-8", "replace"))

    def _skip(self, path: str, reason: SkipReason, detail: str = "") -> Skipped:
        return Skipped(self._source.name, path, reason, detail)


class _Blobs:
    """One `git cat-file --batch` that answers for blob after blob."""

    def __init__(self, git_dir: Path) -> None:
        self._running = reading_git(["cat-file", "--batch"], git_dir)
        self._git: Conversation | None = None
        self._turn = threading.Lock()  # an answer belongs to the question before it

    def __enter__(self) -> Self:
        self._git = self._running.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._git = None
        self._running.__exit__(None, None, None)

    def read(self, blob: str, limit: int) -> bytes | None:
        """Return a blob's content; None: it is larger than `limit` bytes, or not there (a partial clone)."""
        if self._git is None:
            raise EnvironmentFailed("a file of a git repository was asked for after the source was closed")
        with self._turn:
            self._git.ask(f"{blob}\n".encode())
            header = self._git.line().split()
            if len(header) != _HEADER_FIELDS:
                return None
            size = int(header[2]) + 1
            if size > limit + 1:
                self._git.skip(size)
                return None
            return self._git.exactly(size)[:-1]


def open_git(
    text: str, revision: str, *, name: str | None, cache: Path, include_vendored: bool, max_bytes: int
) -> GitSource:
    """Open a local repository, or a copy of the one at an address, at a revision ("" for its HEAD).

    Raise UsageError for an address or a revision that cannot be, EnvironmentFailed where git fails.
    """
    remote = "://" in text
    location = text if remote else str(Path(text).resolve())
    default = _base_name(location)
    if remote:
        place = cache / "git" / f"{default}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}.git"
        git_dir = clone(text, place)
    else:
        git_dir = _git_dir(Path(location))
    commit = resolve(git_dir, revision or "HEAD", text)
    return GitSource(git_dir, name or default, location, commit, include_vendored, max_bytes)


def is_repository(path: Path) -> bool:
    """Tell whether a path is a work tree's top or a bare repository."""
    return (path / ".git").exists() or is_bare(path)


def is_bare(path: Path) -> bool:
    """Tell whether a path is a bare repository."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def resolve(git_dir: Path, revision: str, shown: str) -> str:
    """Return the commit that a revision names; raise UsageError for one that is not there."""
    if revision.startswith("-") or not revision.isprintable():
        raise UsageError(f"{revision!r} is no revision; name a branch, a tag or a commit")
    question = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    try:
        return run_git(question, git_dir=git_dir).decode().split()[-1]
    except GitFailed as error:
        # git gives no reason for a name that it does not know, and this one for what is no commit.
        if error.reason and "expected commit type" not in error.reason:
            raise
    if revision == "HEAD":
        raise UsageError(f"the repository {shown} has no commit yet; name a branch, a tag or a commit of it")
    raise UsageError(f"the repository {shown} has no revision {revision!r}; name a branch, a tag or a commit")


def _base_name(location: str) -> str:
    """Return the last part of an address or path, without ".git"."""
    last = location.rstrip("/").removesuffix("/.git").rpartition("/")[2]
    return last.removesuffix(".git") or "repository"


def _git_dir(folder: Path) -> Path:
    return folder / ".git" if (folder / ".git").exists() else folder


def _row(record: bytes) -> _Row:
    """Read `mode type blob [size]<tab>path`."""
    facts, _, raw = record.partition(b"\t")
    mode, _, blob, *size = facts.split()
    length = int(size[0]) if size and size[0].isdigit() else -1
    try:
        path = raw.decode()
    except UnicodeDecodeError:
        return _Row(mode, blob.decode(), length, raw.decode("utf-8", "backslashreplace"), readable=False)
    outside = any(part in ("", ".", "..") for part in path.split("/"))
    return _Row(mode, blob.decode(), length, path, readable=not outside)
