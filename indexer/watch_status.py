"""What the watchers of an index say of themselves: small files in its folder, read by whoever serves it.

Watches nothing. A watcher holds a lock as long as it lives, so that a file left behind by one that was killed is
known for what it is, whoever has its process number now.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from indexer.errors import EnvironmentFailed
from indexer.progress import Progress
from indexer.store.manifest import disk_errors

_FOLDER = "watchers"
_ENDING, _LOCK, _NEW = ".json", ".lock", ".new"
# Seconds between two writes that tell of progress only.
_PROGRESS_EVERY = 0.5

State = Literal["watching", "refreshing", "deepening", "failed", "gone"]


class WatcherStatus(BaseModel):
    """What one watcher does: `since` when, in UTC, and in words in `message`, as far as there is more to say.

    `changed` counts files that changed and cannot be found as they are now, None while all of them are looked at.
    One that is `gone` was killed; it and one that `failed` do nothing more.
    """

    model_config = ConfigDict(frozen=True)

    state: State
    sources: tuple[str, ...]
    pid: int
    since: str
    changed: int | None = 0
    message: str = ""

    @property
    def behind(self) -> bool:
        """Whether files may have changed that the index does not know of."""
        return self.state in ("refreshing", "failed", "gone")


class StatusFile:
    """The file of one watcher, replaced whole at every change."""

    def __init__(self, folder: Path, sources: Sequence[str]) -> None:
        """Lock a file of its own below the index's folder; what was said of these sources before is forgotten."""
        self._index, self._folder = folder, folder / _FOLDER
        self._path = self._folder / (uuid.uuid4().hex + _ENDING)
        with disk_errors(folder):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            forget(folder, sources)
            # Under its name only once it is locked: nobody takes it for a dead one's.
            new = self._path.with_suffix(_NEW)
            self._lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            new.rename(self._path.with_suffix(_LOCK))
        self._told = WatcherStatus(
            state="refreshing", sources=tuple(sources), pid=os.getpid(), since=_now(), changed=None
        )
        self._written = 0.0
        self._write()

    def tell(self, state: State, changed: int | None = 0, message: str = "") -> None:
        """Say what the watcher does now; raise EnvironmentFailed where that cannot be written."""
        since = self._told.since if state == self._told.state else _now()
        told = self._told.model_copy(update={"state": state, "changed": changed, "message": message, "since": since})
        if told != self._told:
            self._told = told
            self._write()

    def progress(self, step: Progress) -> None:
        """Say how far the watcher is with what it does."""
        if time.monotonic() - self._written >= _PROGRESS_EVERY:
            of = f" of {step.total:,}" if step.total is not None else ""
            self.tell(self._told.state, self._told.changed, f"{step.step.lower()}: {step.done:,}{of} {step.unit}")

    def close(self, *, keep: bool) -> None:
        """Free the lock, and remove the file unless it is to `keep` saying what it says."""
        if not keep:
            _remove(self._path)
        os.close(self._lock)

    def _write(self) -> None:
        new = self._path.with_suffix(_NEW)
        with disk_errors(self._index):
            new.write_text(self._told.model_dump_json(), encoding="utf-8")
            new.replace(self._path)
        self._written = time.monotonic()


@contextmanager
def telling(folder: Path, sources: Sequence[str]) -> Iterator[StatusFile]:
    """Yield the status file of a watcher; what it fails of stays written, and nothing where it ends as it should."""
    file, failed = StatusFile(folder, sources), False
    try:
        yield file
    except Exception as error:
        failed = True
        with suppress(EnvironmentFailed):  # the error itself says that nothing can be written
            file.tell("failed", None, str(error) or type(error).__name__)
        raise
    finally:
        file.close(keep=failed)


def watchers(folder: Path) -> tuple[WatcherStatus, ...]:
    """Return what the watchers of the index in `folder` say, the oldest state first; none where there are none."""
    found = []
    for path in (folder / _FOLDER).glob(f"*{_ENDING}"):
        alive = _alive(path)
        status = _read(path)
        if status is not None:
            gone = not alive and status.state != "failed"
            found.append(status.model_copy(update={"state": "gone"}) if gone else status)
    return tuple(sorted(found, key=lambda status: (status.since, status.pid)))


def forget(folder: Path, sources: Collection[str]) -> None:
    """Remove what watchers left behind that are no more, where these sources, up to date by now, are all of theirs."""
    for path in (folder / _FOLDER).glob(f"*{_ENDING}"):
        if not _alive(path):
            status = _read(path)
            if status is None or set(status.sources) <= set(sources):
                _remove(path)


def _read(path: Path) -> WatcherStatus | None:
    """Return what a file says; None of one that ends just now and takes it along, or of another version's."""
    try:
        return WatcherStatus.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _alive(path: Path) -> bool:
    """Tell whether the watcher whose file this is holds its lock."""
    try:
        descriptor = os.open(path.with_suffix(_LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(_LOCK).unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
