"""A folder as a source: what lies there now, ignore rules honoured, links never followed.

Nothing here asks git or changes a file.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from indexer.errors import EnvironmentFailed
from indexer.sources.content import refuse_content, refuse_size
from indexer.sources.descriptors import open_folder, read_below, read_in, special, words
from indexer.sources.ignore import FATHOM_IGNORE, GIT_IGNORE, MAX_IGNORE_BYTES, TOO_MANY_RULES, Rules
from indexer.sources.interface import Entry
from indexer.sources.naming import VERSION_CONTROL, Refusal, refuse_folder, refuse_name
from indexer.types import Skipped, SkipReason, SourceFile

# Linux takes no longer path in one call: what lies deeper, nobody else could open either.
_MAX_PATH = 4_095
# A file changed this recently may change again within the clock's resolution (git's "racily clean").
_RACY_NANOSECONDS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder still to be listed; `path` from the root, "" or ending in "/".

    `beside` are the names in its parent; None: its name is not judged.
    """

    path: str
    rules: Rules
    beside: Collection[str] | None


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The files below `root`, or `root` itself if it is a file.

    Files that git tracks although an ignore rule names them count as ignored. The user's own
    `core.excludesFile` is not read: an index must not depend on who built it.
    """

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
        """Yield every file in the order of its path's bytes, or why it is skipped.

        A folder that is skipped is one `Skipped` whose path ends in "/". Raise EnvironmentFailed when the
        root itself cannot be read: a disk that is not there is no empty folder.
        """
        try:
            status = self.root.lstat()
        except OSError as error:
            raise EnvironmentFailed(f"the source {self.root} cannot be read: {words(error)}") from error
        if not stat.S_ISDIR(status.st_mode):
            yield self._judge(self.root.name, status, self.root.parent)
            return
        rules, prefix = rules_above(self.root)
        yield from self._walk(_Folder("", rules, None), prefix)

    def _walk(self, top: _Folder, prefix: str) -> Iterator[Entry | Skipped]:
        """Yield what is in a folder, without recursion; the rules see paths behind `prefix`."""
        stack: list[_Folder | Entry | Skipped] = [top]
        while stack:
            item = stack.pop()
            if isinstance(item, _Folder):
                stack += reversed(self._listed(item, prefix))
            else:
                yield item

    def _listed(self, folder: _Folder, prefix: str) -> list[_Folder | Entry | Skipped]:
        """Return what is in a folder, or why it is skipped."""
        if len(os.fsencode(self.root)) + len(os.fsencode(folder.path)) > _MAX_PATH:
            return [self._skipped(folder.path, SkipReason.UNREADABLE, f"its path is longer than {_MAX_PATH} bytes")]
        try:
            descriptor = open_folder(self.root, folder.path)
            try:
                return self._children(folder, prefix, descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            if not folder.path:
                raise EnvironmentFailed(f"the folder {self.root} cannot be read: {words(error)}") from error
            return [self._skipped(folder.path, SkipReason.UNREADABLE, words(error))]

    def _children(self, folder: _Folder, prefix: str, descriptor: int) -> list[_Folder | Entry | Skipped]:
        with os.scandir(descriptor) as listing:
            children = sorted(listing, key=_in_order)
        names = frozenset(child.name for child in children)
        refusal = refuse_folder(_base(folder.path), names, folder.beside) if folder.beside is not None else None
        if refusal is not None:
            return [self._refused(folder.path, refusal)]
        rules, unread = _with_ignore_files(folder.rules, prefix + folder.path, children, descriptor)
        opened = _Folder(folder.path, rules, names)
        found: list[_Folder | Entry | Skipped] = []
        for child in children:
            if child.name in unread:
                found.append(self._skipped(folder.path + child.name, SkipReason.UNREADABLE, unread[child.name]))
            elif not _is_version_control(child):
                found.append(self._child(child, opened, prefix))
        return found

    def _child(self, child: os.DirEntry[str], parent: _Folder, prefix: str) -> _Folder | Entry | Skipped:
        path, is_folder = parent.path + child.name, child.is_dir(follow_symlinks=False)
        if not child.name.isascii() and not _is_utf8(child.name):
            return self._skipped(_shown(path), SkipReason.UNREADABLE, "its name is not UTF-8")
        ignored, asked = parent.rules.decide(prefix + path, folder=is_folder)
        if ignored:
            return self._skipped(path + "/" * is_folder, SkipReason.IGNORED, "with all that is in it" * is_folder)
        if is_folder:
            beside = None if asked or self.include_vendored else parent.beside
            return self._folder(child.name, _Folder(f"{path}/", parent.rules, beside))
        return self._file(child, path)

    def _folder(self, name: str, folder: _Folder) -> _Folder | Skipped:
        refusal = refuse_folder(name, None, folder.beside) if folder.beside is not None else None
        return folder if refusal is None else self._refused(folder.path, refusal)

    def _file(self, child: os.DirEntry[str], path: str) -> Entry | Skipped:
        if child.is_symlink():
            return self._skipped(path, SkipReason.SYMLINK, "links are not followed")
        try:
            status = child.stat(follow_symlinks=False)
        except OSError as error:
            return self._skipped(path, SkipReason.UNREADABLE, words(error))
        return self._judge(path, status, self.root)

    def _judge(self, path: str, status: os.stat_result, root: Path) -> Entry | Skipped:
        if not stat.S_ISREG(status.st_mode):
            return self._skipped(path, SkipReason.UNREADABLE, special(status.st_mode))
        refusal = refuse_name(path) or refuse_size(status.st_size, self.max_bytes)
        if refusal is not None:
            return self._refused(path, refusal)
        return Entry(path, _stamp(status, time.time_ns()), partial(self._read, path, root))

    def _read(self, path: str, root: Path) -> SourceFile | Skipped:
        try:
            content = read_below(root, path, self.max_bytes + 1)
        except OSError as error:
            return self._skipped(path, SkipReason.UNREADABLE, words(error))
        refusal = refuse_size(len(content), self.max_bytes) or refuse_content(path, content)
        return SourceFile(self.name, path, content) if refusal is None else self._refused(path, refusal)

    def _skipped(self, path: str, reason: SkipReason, detail: str) -> Skipped:
        return Skipped(self.name, path, reason, detail)

    def _refused(self, path: str, refusal: Refusal) -> Skipped:
        return Skipped(self.name, path, refusal.reason, refusal.detail)


def rules_above(root: Path) -> tuple[Rules, str]:
    """Return the rules of the git work tree around `root`, and `root`'s path in it ("" or "a/b/").

    A root that they ignore, or that lies in a folder that they ignore, was named on purpose: they do not
    bind it. Raise EnvironmentFailed for an ignore file that cannot be read.
    """
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    rules, at = Rules().within("", git=_text_above(top / ".git" / "info" / "exclude")), ""
    for part in root.relative_to(top).parts:
        folder = top / at
        git, fathom = _text_above(folder / GIT_IGNORE), _text_above(folder / FATHOM_IGNORE)
        rules = rules.within(at, git=git, fathom=fathom)
        if rules.decide(at + part, folder=True)[0]:
            rules = Rules()
        at = f"{at}{part}/"
    return rules, at


def _with_ignore_files(
    rules: Rules, at: str, children: Iterable[os.DirEntry[str]], descriptor: int
) -> tuple[Rules, dict[str, str]]:
    """Return the rules with those of the ignore files in a folder, and which were not applied and why."""
    texts, unread = {GIT_IGNORE: "", FATHOM_IGNORE: ""}, {}
    for child in children:
        if child.name in texts and child.is_file(follow_symlinks=False):
            try:
                texts[child.name] = _rules_text(read_in(descriptor, child.name, MAX_IGNORE_BYTES + 1))
            except OSError as error:
                unread[child.name] = f"{words(error)}; its rules are not applied"
    return rules.within(at, git=texts[GIT_IGNORE], fathom=texts[FATHOM_IGNORE]), unread


def _text_above(path: Path) -> str:
    """Return the text of an ignore file above the root; "" where there is none."""
    try:
        if path.is_symlink() or not path.is_file():
            return ""
        return _rules_text(read_below(path.parent, path.name, MAX_IGNORE_BYTES + 1))
    except OSError as error:
        raise EnvironmentFailed(f"the ignore file {path} cannot be read: {words(error)}") from error


def _rules_text(content: bytes) -> str:
    if len(content) > MAX_IGNORE_BYTES:
        raise OSError(TOO_MANY_RULES)
    return content.decode("utf-8", "replace")


def _is_version_control(child: os.DirEntry[str]) -> bool:
    """Tell whether this is version control's own: a folder, or the file `.git` of a linked work tree."""
    return child.name in VERSION_CONTROL and (child.name == ".git" or child.is_dir(follow_symlinks=False))


def _stamp(status: os.stat_result, now: int) -> str:
    """Return what changes when a file does; "" while it is too young to be told from its next version."""
    if now - max(status.st_mtime_ns, status.st_ctime_ns) < _RACY_NANOSECONDS:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def _in_order(child: os.DirEntry[str]) -> bytes:
    return os.fsencode(child.name + "/" if child.is_dir(follow_symlinks=False) else child.name)


def _base(folder: str) -> str:
    return folder[:-1].rpartition("/")[2]


def _is_utf8(name: str) -> bool:
    return not any("\udc80" <= letter <= "\udcff" for letter in name)


def _shown(path: str) -> str:
    """Return a path with bytes that are not UTF-8 escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
