"""Opening what lies below a folder without following a link on the way, and reading it up to a limit.

What is worth reading is decided by the callers.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without waiting: opening a pipe that nobody writes to would hang.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SPECIAL: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_folder(root: Path, path: str) -> int:
    """Return a descriptor of the folder `path` ("" or ending in "/") below `root`; raise OSError for a link.

    Part by part, so that a folder that becomes a link meanwhile leads nowhere.
    """
    descriptor = os.open(root, _FOLDER)
    try:
        for part in path.split("/")[:-1]:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_below(root: Path, path: str, limit: int) -> bytes:
    """Return up to `limit` bytes of the file `path` below `root`; raise OSError for a link or no regular file."""
    folder, slash, name = path.rpartition("/")
    descriptor = open_folder(root, folder + slash)
    try:
        return read_in(descriptor, name, limit)
    finally:
        os.close(descriptor)


def read_in(folder: int, name: str, limit: int) -> bytes:
    """Return up to `limit` bytes of a file in an open folder; raise OSError for a link or no regular file."""
    with open(os.open(name, _FILE, dir_fd=folder), "rb", buffering=0) as stream:  # noqa: PTH123 (a descriptor)
        mode = os.fstat(stream.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(special(mode))
        return _upto(stream.read, limit)


def special(mode: int) -> str:
    """Return what a file that is not regular is."""
    return next((words for test, words in _SPECIAL if test(mode)), "not a regular file")


def words(error: OSError) -> str:
    """Return what went wrong in the system's words."""
    return error.strerror or str(error)


def _upto(read: Callable[[int], bytes | None], limit: int) -> bytes:
    """Return up to `limit` bytes: a raw read may stop short."""
    content = read(limit) or b""
    while len(content) < limit and (more := read(limit - len(content))):
        content += more
    return content
