"""A folder as a source: what lies there now, ignore rules honoured, links never followed."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from indexer.sources.content import by_content, by_name
from indexer.sources.ignore import Rules, add_files, top_rules
from indexer.sources.interface import Entry
from indexer.types import Skipped, SkipReason, SourceFile

_VERSION_CONTROL = frozenset((".git", ".hg", ".svn", ".bzr", "CVS"))
_VENDORED = frozenset(("node_modules", "bower_components", "site-packages", "vendor", "third_party", ".venv"))
_GENERATED = frozenset(
    (
        "__pycache__",
        ".tox",
        ".nox",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".gradle",
        ".next",
        ".eggs",
        ".cache",
    )
)
# A file changed this recently may change again within the clock's resolution: it is read again next time.
_RACY_SECONDS = 2.0


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
        """Yield every file in the order of its path, or why it is skipped."""
        if self.root.is_file():
            yield self._file(self.root.name, self.root.lstat(), self.root)
            return
        rules, prefix = top_rules(self.root)
        yield from self._walk(self.root, "", prefix, rules)

    def _walk(self, root: Path, at: str, prefix: str, rules: Rules) -> Iterator[Entry | Skipped]:
        """Yield what is below `root`, a stack of folders deep; `at` is relative to the source."""
        stack: list[tuple[Path, str, Rules] | Entry | Skipped] = [(root, at, rules)]
        while stack:
            item = stack.pop()
            if not isinstance(item, tuple):
                yield item
                continue
            folder, at, rules = item
            try:
                children = sorted(os.scandir(folder), key=lambda child: child.name, reverse=True)
            except OSError as error:
                yield Skipped(self.name, _shown(at.rstrip("/")), SkipReason.UNREADABLE, error.strerror or "")
                continue
            inner = add_files(rules, folder, prefix + at)
            stack.extend(filter(None, (self._child(child, at, prefix, inner) for child in children)))

    def _child(
        self, child: os.DirEntry[str], at: str, prefix: str, rules: Rules
    ) -> tuple[Path, str, Rules] | Entry | Skipped | None:
        path = at + child.name
        if _shown(path) != path:
            return Skipped(self.name, _shown(path), SkipReason.UNREADABLE, "its name is not UTF-8")
        if child.is_symlink():
            return Skipped(self.name, path, SkipReason.SYMLINK)
        folder = child.is_dir(follow_symlinks=False)
        if folder and child.name in _VERSION_CONTROL:
            return None
        if rules.ignores(prefix + path, folder=folder):
            return Skipped(self.name, path + "/" * folder, SkipReason.IGNORED)
        if not folder:
            return self._entry(child, path)
        reason = None if self.include_vendored else _folder_reason(child)
        return Skipped(self.name, f"{path}/", reason) if reason else (Path(child.path), f"{path}/", rules)

    def _entry(self, child: os.DirEntry[str], path: str) -> Entry | Skipped:
        try:
            return self._file(path, child.stat(follow_symlinks=False), Path(child.path))
        except OSError as error:
            return Skipped(self.name, path, SkipReason.UNREADABLE, error.strerror or "")

    def _file(self, path: str, status: os.stat_result, full: Path) -> Entry | Skipped:
        if not stat.S_ISREG(status.st_mode):
            return Skipped(self.name, path, SkipReason.UNREADABLE, "not a regular file")
        reason = by_name(path)
        if reason is not None:
            return Skipped(self.name, path, reason)
        if status.st_size > self.max_bytes:
            return Skipped(self.name, path, SkipReason.TOO_LARGE, f"{status.st_size} bytes")
        return Entry(path, _stamp(status), partial(self._read, path, full))

    def _read(self, path: str, full: Path) -> SourceFile | Skipped:
        try:
            descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return Skipped(self.name, path, SkipReason.UNREADABLE, "not a regular file")
                content = stream.read(self.max_bytes + 1)
        except OSError as error:
            return Skipped(self.name, path, SkipReason.UNREADABLE, error.strerror or "")
        if len(content) > self.max_bytes:
            return Skipped(self.name, path, SkipReason.TOO_LARGE, "it grew while it was read")
        reason = by_content(path, content)
        return Skipped(self.name, path, reason) if reason else SourceFile(self.name, path, content)


def _folder_reason(child: os.DirEntry[str]) -> SkipReason | None:
    if child.name in _VENDORED or Path(child.path, "pyvenv.cfg").is_file():
        return SkipReason.VENDORED
    return SkipReason.GENERATED if child.name in _GENERATED else None


def _stamp(status: os.stat_result) -> str:
    if time.time() - max(status.st_mtime, status.st_ctime) < _RACY_SECONDS:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def _shown(path: str) -> str:
    """Return a path with bytes that are not UTF-8 escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
