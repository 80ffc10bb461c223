"""Keep an index true while its folders change: what is saved in a burst is one refresh. Starts no server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread

import watchfiles

from indexer.encoder.interface import Encoder
from indexer.errors import EnvironmentFailed, IndexBusy, UsageError
from indexer.index import writing
from indexer.progress import Progress, Report, Summary, silent
from indexer.settings import Settings
from indexer.sources.interface import Source
from indexer.sources.naming import VERSION_CONTROL
from indexer.watch_status import StatusFile, telling

# Milliseconds without a change that end a burst, and after which even an endless one is looked at.
_QUIET_MS = 100
_BURST_MS = 2_000
# Seconds without a change after which deepening goes on, and for so many at a time: other writers wait so long, a
# saved file does not.
_IDLE_SECONDS = 1.0
_SLICE_SECONDS = 5.0
# A lock that git has held for longer is one that it left behind.
_GIT_SECONDS = 60.0


def watch(
    folder: Path,
    sources: Sequence[Source],
    settings: Settings,
    encoder: Encoder,
    report: Report = silent,
    *,
    deepening: bool = True,
    stop: Event | None = None,
) -> Iterator[Summary]:
    """Bring folders up to date, now and whenever something in them changes, until `stop`; yield what each time did.

    Times that found nothing new are not told of. In between, units are deepened. Another writer is waited for: what
    changed is kept in mind. Whoever serves the index can read how things stand (`indexer/watch_status.py`).
    Raises UsageError for a source that is no folder, EnvironmentFailed where the system cannot tell of changes.
    """
    roots = watched(sources)
    with (
        telling(folder, [source.name for source in sources]) as status,
        Changes(roots, _outside(folder, roots), stop) as changes,
    ):
        yield from _Watcher(folder, sources, settings, encoder, report, deepening, status).follow(roots, changes)


class _Watcher:
    """What is behind, and how it is brought up to date."""

    def __init__(
        self,
        folder: Path,
        sources: Sequence[Source],
        settings: Settings,
        encoder: Encoder,
        report: Report,
        deepening: bool,
        status: StatusFile,
    ) -> None:
        self._sources, self._status, self._told = sources, status, report
        # Connecting to a cluster takes longer than a saved file does.
        here = settings.model_copy(update={"ray": ""})
        self._writing = partial(writing, folder, here, encoder, self._report)
        # By number: the sources that are to be looked at; the files known to be the reason, None for all.
        self._pending, self._changed = set(range(len(sources))), set[Path]()
        self._all = True
        self._deepening, self._deep = deepening, not deepening

    def follow(self, roots: Sequence[Path], changes: Changes) -> Iterator[Summary]:
        """Yield what each time did that found something new."""
        for changed in changes.bursts():
            self._note(roots, changed)
            if self._pending and any(map(_git_at_work, roots)):
                self._tell("waiting for git, which is changing the files")
                continue
            if not self._pending and self._deep:
                continue
            try:
                summary = self._refresh() if self._pending else self._deepen(changes.waiting)
            except IndexBusy:
                self._tell("waiting for another process that writes to the index")
                continue
            self._tell()
            if summary.added or summary.changed or summary.removed:
                yield summary

    def _note(self, roots: Sequence[Path], changed: set[Path]) -> None:
        self._changed |= changed
        self._pending |= {
            number for number, root in enumerate(roots) if any(path.is_relative_to(root) for path in changed)
        }

    def _refresh(self) -> Summary:
        """Take up what changed: searchable by words at once, then by meaning."""
        self._tell()
        with self._writing() as pipeline:
            for number in sorted(self._pending):
                pipeline.refresh(self._sources[number])
            pipeline.encode()
            pipeline.sweep()
            self._deep = not self._deepening or pipeline.deep
        self._pending.clear()
        self._changed.clear()
        self._all = False
        return pipeline.summary

    def _deepen(self, halt: Callable[[], bool]) -> Summary:
        with self._writing(brief=True) as pipeline:
            self._deep = pipeline.deepen(_SLICE_SECONDS, halt)
            if self._deep:
                pipeline.sweep(always=True)
        return pipeline.summary

    def _tell(self, message: str = "") -> None:
        if self._pending:
            self._status.tell("refreshing", None if self._all else len(self._changed), message)
        else:
            self._status.tell("watching" if self._deep else "deepening", 0, message)

    def _report(self, step: Progress) -> None:
        self._status.progress(step)
        self._told(step)


def watched(sources: Sequence[Source]) -> list[Path]:
    """Return where the files of sources lie; raise UsageError for one that is no folder."""
    for source in sources:
        if source.kind != "folder":
            raise UsageError(f"{source.location} cannot be watched: only folders can, as their files lie there")
    return [Path(source.location) for source in sources]


class Changes:
    """The paths below folders that change, noticed in a thread of its own while others are taken up.

    Nothing that changes after it was entered is missed.
    """

    def __init__(
        self, roots: Sequence[Path], wanted: Callable[[watchfiles.Change, str], bool], stop: Event | None
    ) -> None:
        self._roots, self._wanted, self._stop = roots, wanted, stop
        self._found: SimpleQueue[set[Path] | Exception] = SimpleQueue()
        self._ready, self._closed = Event(), False
        self._thread = Thread(target=self._notice, name="changes", daemon=True)

    def __enter__(self) -> Changes:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._thread.join()

    def is_set(self) -> bool:
        """Tell whether nobody waits for changes any more."""
        return self._closed or (self._stop is not None and self._stop.is_set())

    def waiting(self) -> bool:
        """Tell whether something changed that was not taken up yet, or all is to end."""
        return self.is_set() or not self._found.empty()

    def bursts(self) -> Iterator[set[Path]]:
        """Yield the paths that changed, in bursts; none at first and after a while without any.

        Raises EnvironmentFailed where the system cannot tell.
        """
        while not self.is_set():
            try:
                found = self._found.get(timeout=_IDLE_SECONDS)
            except Empty:
                found = set()
            if isinstance(found, Exception):
                raise EnvironmentFailed(f"{', '.join(map(str, self._roots))} cannot be watched: {found}") from found
            yield found

    def _notice(self) -> None:
        try:
            for found in watchfiles.watch(
                *self._roots,
                watch_filter=self._wanted,
                debounce=_BURST_MS,
                step=_QUIET_MS,
                rust_timeout=_QUIET_MS,
                yield_on_timeout=True,
                stop_event=self,
                ignore_permission_denied=True,
            ):
                if found or not self._ready.is_set():
                    self._found.put({Path(path) for _, path in found})
                self._ready.set()
        except (OSError, RuntimeError) as error:
            self._found.put(error)
        finally:
            self._ready.set()


def _outside(folder: Path, roots: Sequence[Path]) -> Callable[[watchfiles.Change, str], bool]:
    """Return what tells whether a changed path can matter: not the index's own files, nor version control's."""
    own = folder.resolve()

    def matters(_: watchfiles.Change, path: str) -> bool:
        changed = Path(path)
        if changed.is_relative_to(own):
            return False
        return any(
            changed.is_relative_to(root) and not VERSION_CONTROL.intersection(changed.relative_to(root).parts)
            for root in roots
        )

    return matters


def _git_at_work(root: Path) -> bool:
    """Tell whether git is changing the files below a folder, as when it switches branches: it holds a lock then."""
    place = next((found for found in (folder / ".git" for folder in (root, *root.parents)) if found.exists()), None)
    with suppress(OSError, ValueError):
        if place is not None and place.is_file():  # a work tree of its own names its folder there
            place = place.parent / place.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        if place is not None:
            return time.time() - (place / "index.lock").stat().st_mtime < _GIT_SECONDS
    return False
