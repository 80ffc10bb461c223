"""A folder as a source: what lies there now, ignore rules honoured, links never followed.

Nothing is decoded here, and nothing outside the folder is opened but the ignore rules above it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from indexer.errors import EnvironmentFailed
from indexer.sources.content import by_content, by_name
from indexer.sources.ignore import Rules, rules_above, rules_in
from indexer.sources.interface import Entry
from indexer.sources.vendored import VERSION_CONTROL, folder_reason
from indexer.types import Skipped, SkipReason, SourceFile

# A file changed this recently may change again within the clock's resolution: it is read again next time.
_RACY_SECONDS = 2.0
_NOT_REGULAR = "not a regular file"


@dataclass(frozen=True)
class FolderSource:
    """The files below `root`, or `root` itself if it is a file."""

    root: Path
    name: str
    include_vendored: bool
    max_bytes: int
    kind: str = "folder"
    revision: str = ""

    @property
    def location(self) -> str:
        """The absolute path."""
        return str(self.root)

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield every file in the order of its path, or why it is skipped.

        Raises EnvironmentFailed if the root itself cannot be read: a disk that is not there is no
        empty folder.
        """
        try:
            status = self.root.lstat()
            if stat.S_ISDIR(status.st_mode):
                os.scandir(self.root).close()
        except OSError as error:
            raise EnvironmentFailed(f"the source {self.root} cannot be read: {error.strerror}") from error
        if not stat.S_ISDIR(status.st_mode):
            yield self._file(self.root.name, status, self.root)
            return
        rules, prefix = rules_above(self.root)
        yield from self._walk(rules, prefix)

    def _walk(self, rules: Rules, prefix: str) -> Iterator[Entry | Skipped]:
        """Yield what is below the root, whose path in its work tree is `prefix`, without recursion."""
        stack: list[_Folder | Entry | Skipped] = [_Folder(self.root, "", rules)]
        while stack:
            item = stack.pop()
            if isinstance(item, _Folder):
                stack.extend(self._children(item, prefix))
            else:
                yield item

    def _children(self, folder: _Folder, prefix: str) -> list[_Folder | Entry | Skipped]:
        """Return what is in a folder, last path first."""
        try:
            with os.scandir(folder.full) as listing:
                children = sorted(listing, key=_order, reverse=True)
        except OSError as error:
            shown = folder.path.rstrip("/")
            return [Skipped(self.name, shown, SkipReason.UNREADABLE, error.strerror or "")]
        rules = rules_in(folder.rules, folder.full, prefix + folder.path)
        names = frozenset(child.name for child in children)
        found = (self._child(child, folder.path, prefix, rules, names) for child in children)
        return [item for item in found if item is not None]

    def _child(
        self, child: os.DirEntry[str], at: str, prefix: str, rules: Rules, beside: frozenset[str]
    ) -> _Folder | Entry | Skipped | None:
        path = at + child.name
        is_folder = child.is_dir(follow_symlinks=False)
        if is_folder and child.name in VERSION_CONTROL:
            return None
        if _escaped(path) != path:
            return Skipped(self.name, _escaped(path), SkipReason.UNREADABLE, "its name is not UTF-8")
        if child.is_symlink():
            return Skipped(self.name, path, SkipReason.SYMLINK)
        if rules.ignores(prefix + path, folder=is_folder):
            return Skipped(self.name, path + "/" * is_folder, SkipReason.IGNORED)
        return self._folder(child, path, rules, beside) if is_folder else self._entry(child, path)

    def _folder(self, child: os.DirEntry[str], path: str, rules: Rules, beside: frozenset[str]) -> _Folder | Skipped:
        full = Path(child.path)
        if not self.include_vendored:
            reason = folder_reason(child.name, beside.__contains__, lambda name: os.path.lexists(full / name))
            if reason is not None:
                return Skipped(self.name, f"{path}/", reason)
        return _Folder(full, f"{path}/", rules)

    def _entry(self, child: os.DirEntry[str], path: str) -> Entry | Skipped:
        try:
            return self._file(path, child.stat(follow_symlinks=False), Path(child.path))
        except OSError as error:
            return Skipped(self.name, path, SkipReason.UNREADABLE, error.strerror or "")

    def _file(self, path: str, status: os.stat_result, full: Path) -> Entry | Skipped:
        if not stat.S_ISREG(status.st_mode):
            return Skipped(self.name, path, SkipReason.UNREADABLE, _NOT_REGULAR)
        reason = by_name(path)
        if reason is not None:
            return Skipped(self.name, path, reason)
        if status.st_size > self.max_bytes:
            return Skipped(self.name, path, SkipReason.TOO_LARGE, f"{status.st_size} bytes")
        return Entry(path, _stamp(status), partial(self._read, path, full))

    def _read(self, path: str, full: Path) -> SourceFile | Skipped:
        try:
            content = _content(full, self.max_bytes + 1)
        except OSError as error:
            return Skipped(self.name, path, SkipReason.UNREADABLE, error.strerror or "")
        if content is None:
            return Skipped(self.name, path, SkipReason.UNREADABLE, _NOT_REGULAR)
        if len(content) > self.max_bytes:
            return Skipped(self.name, path, SkipReason.TOO_LARGE, f"more than {self.max_bytes} bytes")
        reason = by_content(path, content)
        return Skipped(self.name, path, reason) if reason else SourceFile(self.name, path, content)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder still to be listed; `path` is relative to the root ("" or ending in "/")."""

    full: Path
    path: str
    rules: Rules


def _content(full: Path, limit: int) -> bytes | None:
    """Return the first `limit` bytes of a file; None if it has become something else since it was listed."""
    descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        # O_NOFOLLOW looks at the last part only; a folder above may have become a link meanwhile.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or full.parent.resolve() != full.parent:
            return None
        return stream.read(limit)


def _order(child: os.DirEntry[str]) -> str:
    """Return what sorts children as their full paths, and so as git does."""
    return child.name + "/" * child.is_dir(follow_symlinks=False)


def _stamp(status: os.stat_result) -> str:
    if time.time() - max(status.st_mtime, status.st_ctime) < _RACY_SECONDS:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def _escaped(path: str) -> str:
    """Return a path with bytes that are not UTF-8 escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
