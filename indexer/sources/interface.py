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
    """A file of a source, not read yet. The same non-empty `stamp` means: not changed."""

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
        """Yield every file in the order of its path, or why it is skipped."""
