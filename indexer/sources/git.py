"""A git repository at a revision as a source, read from its objects: no work tree, hooks or submodules.

Nothing is written to the repository; `clone.py` fetches what is elsewhere.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from indexer.errors import EnvironmentFailed, UsageError
from indexer.sources.clone import SAFE_OPTIONS, GitFailed, clone, git_environment, run_git
from indexer.sources.content import by_content, by_name
from indexer.sources.ignore import Rules
from indexer.sources.interface import Entry
from indexer.sources.vendored import folder_reason
from indexer.types import Skipped, SkipReason, SourceFile

_IGNORE_FILE = ".fathomignore"
_REGULAR = ("100644", "100755", "100664")
_MODES = MappingProxyType({"120000": SkipReason.SYMLINK, "160000": SkipReason.SUBMODULE})
# "<object> <type> <size>"; a missing object is answered in two words.
_HEADER_FIELDS = 3


@dataclass(frozen=True)
class GitSource:
    """The files of one commit of the repository in `folder`; `location` is what the user named.

    Files that are committed are not ignored by `.gitignore`; `.fathomignore` applies.
    """

    folder: Path
    name: str
    location: str
    revision: str
    include_vendored: bool
    max_bytes: int
    kind: str = "git"

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield every file in the order of its path, or why it is skipped; read one before the next."""
        listing = run_git(["ls-tree", "-r", "-z", "--long", self.revision], self.folder)
        rows = [_row(line) for line in listing.split(b"\0") if line]
        with _Blobs(self.folder) as blobs:
            yield from self._walk(rows, self._rules(rows, blobs), blobs)

    def _walk(self, rows: Sequence[_Row], rules: Rules, blobs: _Blobs) -> Iterator[Entry | Skipped]:
        verdicts = self._folder_verdicts(rows, rules)
        said: set[str] = set()
        for row in rows:
            top = next((folder for folder in _folders(row.path) if verdicts[folder]), None)
            if top is None:
                yield self._entry(row, rules, blobs)
            elif top not in said:
                said.add(top)
                reason = verdicts[top]
                if reason is not None:
                    yield Skipped(self.name, top, reason)

    def _folder_verdicts(self, rows: Sequence[_Row], rules: Rules) -> dict[str, SkipReason | None]:
        """Return why each folder ("a/b/") is skipped, or None."""
        paths = {row.path for row in rows}
        folders = {folder for path in paths for folder in _folders(path)}
        return {folder: self._folder_verdict(folder, paths, rules) for folder in folders}

    def _folder_verdict(self, folder: str, paths: Set[str], rules: Rules) -> SkipReason | None:
        path = folder.rstrip("/")
        above, _, name = path.rpartition("/")
        if rules.ignores(path, folder=True):
            return SkipReason.IGNORED
        if self.include_vendored:
            return None
        prefix = f"{above}/" if above else ""
        return folder_reason(name, lambda file: prefix + file in paths, lambda file: folder + file in paths)

    def _rules(self, rows: Sequence[_Row], blobs: _Blobs) -> Rules:
        rules = Rules()
        for row in sorted(rows, key=lambda row: row.path.count("/")):
            folder, _, name = row.path.rpartition("/")
            if name == _IGNORE_FILE and row.mode in _REGULAR and row.size <= self.max_bytes:
                text = blobs.read(row.blob).decode("utf-8-sig", "replace")
                rules = rules.within(f"{folder}/" if folder else "", text)
        return rules

    def _entry(self, row: _Row, rules: Rules, blobs: _Blobs) -> Entry | Skipped:
        if not row.readable:
            return Skipped(self.name, row.path, SkipReason.UNREADABLE, "its name is not UTF-8")
        reason = _MODES.get(row.mode)
        if reason is None and rules.ignores(row.path, folder=False):
            reason = SkipReason.IGNORED
        reason = reason or by_name(row.path)
        if reason is not None:
            return Skipped(self.name, row.path, reason)
        if row.size > self.max_bytes:
            return Skipped(self.name, row.path, SkipReason.TOO_LARGE, f"{row.size} bytes")
        return Entry(row.path, row.blob, partial(self._read, row, blobs))

    def _read(self, row: _Row, blobs: _Blobs) -> SourceFile | Skipped:
        content = blobs.read(row.blob)
        reason = by_content(row.path, content)
        return Skipped(self.name, row.path, reason) if reason else SourceFile(self.name, row.path, content)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of `git ls-tree`; `readable` tells whether the path is UTF-8."""

    mode: str
    blob: str
    size: int
    path: str
    readable: bool


class _Blobs:
    """One `git cat-file --batch` that answers for blob after blob, for one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Blobs:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def read(self, blob: str) -> bytes:
        """Return a blob's content; raise EnvironmentFailed if it is not there."""
        if self._process is None:
            self._process = self._start()
        sink, answers = self._process.stdin, self._process.stdout
        try:
            if sink is None or answers is None:
                raise BrokenPipeError
            sink.write(f"{blob}\n".encode())
            sink.flush()
            header = answers.readline().split()
            if len(header) == _HEADER_FIELDS:
                size = int(header[2])
                content = answers.read(size + 1)
                if len(content) == size + 1:
                    return content[:-1]
        except BrokenPipeError:
            pass  # the same as no answer
        raise EnvironmentFailed(f"git has no object {blob} in {self._folder}: the repository is damaged or incomplete")

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["git", *SAFE_OPTIONS, "cat-file", "--batch"],
            cwd=self._folder,
            env=git_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )


def open_git(
    text: str, revision: str, *, name: str | None, cache: Path, include_vendored: bool, max_bytes: int
) -> GitSource:
    """Open a local repository or a clone of a URL at a revision ("" for its HEAD).

    Raises UsageError for an address or a revision that cannot be, EnvironmentFailed where git fails.
    """
    remote = "://" in text
    folder = clone(text, cache) if remote else Path(text).resolve()
    commit = _resolve(folder, revision, text)
    location = text if remote else str(folder)
    return GitSource(folder, name or _base(location), location, commit, include_vendored, max_bytes)


def is_repository(path: Path) -> bool:
    """Tell whether a path is a work tree's top or a bare repository."""
    return (path / ".git").exists() or is_bare(path)


def is_bare(path: Path) -> bool:
    """Tell whether a path is a bare repository."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def _resolve(folder: Path, revision: str, shown: str) -> str:
    """Return the commit that a revision names."""
    named = f"{revision or 'HEAD'}^{{commit}}"
    try:
        output = run_git(["rev-parse", "--verify", "--quiet", "--end-of-options", named], folder)
    except GitFailed as error:
        wanted = f"no revision {revision!r}; name a commit, branch or tag of it" if revision else "no commit yet"
        raise UsageError(f"the repository {shown} has {wanted}") from error
    return output.decode().split()[-1]


def _row(line: bytes) -> _Row:
    facts, _, name = line.partition(b"\t")
    mode, _, blob, size = facts.decode().split()
    path = name.decode("utf-8", "backslashreplace")
    if not (size == "-" or size.isdigit()):
        raise EnvironmentFailed(f"git has no object {blob} ({path}): the repository is damaged or incomplete")
    return _Row(mode, blob, 0 if size == "-" else int(size), path, path.encode() == name)


def _folders(path: str) -> Iterator[str]:
    """Yield the folders a path lies in, outermost first, each ending in "/"."""
    at = path.find("/")
    while at >= 0:
        yield path[: at + 1]
        at = path.find("/", at + 1)


def _base(location: str) -> str:
    place = location.rstrip("/").removesuffix("/.git")
    return place.rpartition("/")[2].removesuffix(".git") or place
