"""What every source can do: name its files, tell cheaply whether one changed, and read it.

No file is opened here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from indexer.types import Skipped, SourceFile


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a source, not read yet.

    Two equal, non-empty stamps of one path mean: not changed. An empty stamp means: read it. `read` never
    raises for a file that cannot be read; it says so with `Skipped`. Call it while the source is iterated.
    """

    path: str
    stamp: str
    read: Callable[[], SourceFile | Skipped]


class Source(Protocol):
    """A named place of files. `revision` is the commit, where there is one, else ""."""

    @property
    def name(self) -> str:
        """What the files' `repository` field says."""

    @property
    def kind(self) -> str:
        """The kind of source: "folder", "git" or "corpus"."""

    @property
    def location(self) -> str:
        """The absolute path or the URL."""

    @property
    def revision(self) -> str:
        """The commit that is read, or ""."""

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield every file in a fixed order, or why it is skipped."""
