"""One writer at a time: an advisory lock on a file, freed by the system when its holder dies.

A holder that lets others in soon says so in the file, and they wait for it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.errors import IndexBusy
from indexer.store.manifest import disk_errors

LOCK_FILE = "writer.lock"
_BRIEF = b"brief"
# So long, in seconds, a brief holder is waited for, and so often it is tried.
_PATIENCE = 60.0
_TRY_EVERY = 0.05


@contextmanager
def writer_lock(folder: Path, *, brief: bool = False) -> Iterator[None]:
    """Hold the index's writer lock; raise IndexBusy if another process has it and does not let others in soon.

    A `brief` holder promises to; it does not wait itself.
    """
    with disk_errors(folder):
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _acquired(descriptor, wait=not brief):
            raise IndexBusy(
                f"another process is writing to the index {folder}; wait until it is done, then run this again"
            )
        with disk_errors(folder):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _BRIEF if brief else b"", 0)
        yield
    finally:
        os.close(descriptor)


def _acquired(descriptor: int, *, wait: bool) -> bool:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait or time.monotonic() > until or os.pread(descriptor, len(_BRIEF), 0) != _BRIEF:
                return False
            time.sleep(_TRY_EVERY)
        else:
            return True
