"""What those who keep the index up to date do, in words for a page. Asks nothing of an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from indexer.watch_status import WatcherStatus

# Names of sources that are said; the others are counted.
_NAMED = 3
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
# The worst comes first: it is what a reader of answers should know.
_ORDER = ("failed", "gone", "refreshing", "deepening", "watching")

Tone = Literal["good", "busy", "bad"]


@dataclass(frozen=True, slots=True)
class Live:
    """How up to date the index is: in one line, and what more there is to say."""

    tone: Tone
    text: str
    more: str = ""


def live(watchers: Sequence[WatcherStatus], now: datetime | None = None) -> list[Live]:
    """Return a line for each watcher, the worst first."""
    moment = now or datetime.now(UTC)
    return [_line(each, moment) for each in sorted(watchers, key=lambda each: _ORDER.index(each.state))]


def _line(watcher: WatcherStatus, now: datetime) -> Live:
    names, age = _names(watcher.sources), _age(watcher.since, now)
    more = watcher.message
    match watcher.state:
        case "failed":
            return Live("bad", f"Not kept up to date: watching {names} failed {age} ago.", more)
        case "gone":
            return Live("bad", f"Not kept up to date: nothing watches {names} any more.", "its watcher was ended")
        case "refreshing" if watcher.changed is None:
            return Live("busy", f"Looking through {names} for {age}", more)
        case "refreshing":
            files = f"{watcher.changed:,} changed file{'' if watcher.changed == 1 else 's'}"
            return Live("busy", f"Behind by {files}, for {age}", more)
        case "deepening":
            return Live("good", f"Up to date with {names}", more)
        case "watching":
            return Live("good", f"Up to date with {names}")


def _names(sources: Sequence[str]) -> str:
    shown = ", ".join(sources[:_NAMED])
    return f"{shown} and {len(sources) - _NAMED} more" if len(sources) > _NAMED else shown


def _age(since: str, now: datetime) -> str:
    """Return how long ago a moment was, in its largest unit."""
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    for size, unit in _UNITS:
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "a moment"
