"""Keep an index true while its folders change: what is saved in a burst is one refresh. Starts no server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event

import watchfiles

from indexer.encoder.interface import Encoder
from indexer.errors import EnvironmentFailed, IndexBusy, UsageError
from indexer.index import writing
from indexer.progress import Report, Summary, silent
from indexer.settings import Settings
from indexer.sources.interface import Source
from indexer.sources.naming import VERSION_CONTROL

# Milliseconds without a change that end a burst, and after which even an endless one is looked at.
_QUIET_MS = 100
_BURST_MS = 2_000
# Milliseconds without a change after which deepening goes on, and for so many seconds at a time: a file saved
# meanwhile waits for it.
_IDLE_MS = 1_000
_SLICE_SECONDS = 1.0


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
    changed is kept in mind. Raises UsageError for a source that is no folder, EnvironmentFailed where the
    system cannot tell of changes.
    """
    roots = [_root(source) for source in sources]
    pending, deep = set(range(len(sources))), not deepening
    for changed in _changes(roots, _outside(folder, roots), stop):
        pending |= {number for number, root in enumerate(roots) if any(path.is_relative_to(root) for path in changed)}
        if not pending and deep:
            continue
        try:
            with writing(folder, settings, encoder, report, brief=not pending) as pipeline:
                if pending:
                    for number in sorted(pending):
                        pipeline.refresh(sources[number])
                    pipeline.encode()
                    pipeline.sweep()
                    pending.clear()
                    deep = not deepening or pipeline.deep
                elif deep := pipeline.deepen(_SLICE_SECONDS):
                    pipeline.sweep(always=True)
        except IndexBusy:
            continue
        summary = pipeline.summary
        if summary.added or summary.changed or summary.removed:
            yield summary


def _root(source: Source) -> Path:
    if source.kind != "folder":
        raise UsageError(f"{source.location} cannot be watched: only folders can, as their files lie there")
    return Path(source.location)


def _changes(
    roots: Sequence[Path], wanted: Callable[[watchfiles.Change, str], bool], stop: Event | None
) -> Iterator[set[Path]]:
    """Yield the paths that changed, in bursts; none after a while without any."""
    try:
        for found in watchfiles.watch(
            *roots,
            watch_filter=wanted,
            debounce=_BURST_MS,
            step=_QUIET_MS,
            rust_timeout=_IDLE_MS,
            yield_on_timeout=True,
            stop_event=stop,
            ignore_permission_denied=True,
        ):
            yield {Path(path) for _, path in found}
    except (OSError, RuntimeError) as error:
        raise EnvironmentFailed(f"{', '.join(map(str, roots))} cannot be watched: {error}") from error


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
