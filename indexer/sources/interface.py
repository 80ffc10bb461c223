"""What every source can do: name its files, tell cheaply whether one changed, and read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from indexer.types import Skipped, SourceFile


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a source, not read yet. The same non-empty `stamp` means: not changed."""

    path: str
    stamp: str
    read: Callable[[], SourceFile | Skipped]


class Source(Protocol):
    """A named place of files. `revision` is the commit, where there is one."""

    @property
    def name(self) -> str:
        """What results call it."""

    @property
    def kind(self) -> str:
        """Return "folder", "git" or "corpus"."""

    @property
    def location(self) -> str:
        """The absolute path or the address."""

    @property
    def revision(self) -> str:
        """The commit, or "" where there is none."""

    def entries(self) -> Iterator[Entry | Skipped]:
        """Yield every file in a fixed order, or why it is skipped."""
