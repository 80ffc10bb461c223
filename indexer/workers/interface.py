"""What parses files and encodes batches for a run of indexing. Where that happens is each member's business."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Protocol, TypeVar

from indexer.encoder.interface import Ids, Vectors
from indexer.splitting.pool import ParsedFile
from indexer.types import SourceFile

Tag = TypeVar("Tag")


class Workers(Protocol):
    """Both methods answer in the order in which they are given work, and take only a bounded part of it ahead.

    A tag comes back with its answer and never leaves this process. Who stops early closes the generator.
    """

    def parse(
        self, files: Iterable[tuple[Tag, SourceFile]]
    ) -> Generator[tuple[Tag, SourceFile, ParsedFile], None, None]:
        """Yield each file's units; a file that breaks what parses it comes back by lines, and says so."""

    def encode(
        self, batches: Iterable[tuple[Tag, Sequence[Ids]]], depth: int
    ) -> Generator[tuple[Tag, Vectors], None, None]:
        """Yield the vectors (n, dimension) of each batch of blocks; raise EnvironmentFailed where that cannot be."""
