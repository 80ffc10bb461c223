"""Parsing in a few processes of this machine, encoding in this one. Knows no other machine."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

from indexer.encoder.interface import Encoder, Ids, Vectors
from indexer.splitting.pool import ParsedFile, ParserPool
from indexer.types import SourceFile
from indexer.workers.interface import Tag


class LocalWorkers:
    """What a run uses that names no cluster."""

    def __init__(self, encoder: Encoder, processes: int) -> None:
        self._encoder = encoder
        self._processes = processes

    def parse(
        self, files: Iterable[tuple[Tag, SourceFile]]
    ) -> Generator[tuple[Tag, SourceFile, ParsedFile], None, None]:
        """Yield each file's units, parsing several ahead."""
        with ParserPool(self._processes) as pool:
            yield from pool.parse(files)

    def encode(
        self, batches: Iterable[tuple[Tag, Sequence[Ids]]], depth: int
    ) -> Generator[tuple[Tag, Vectors], None, None]:
        """Yield the vectors (n, dimension) of each batch, one after the other: the encoder uses all cores."""
        for tag, blocks in batches:
            yield tag, self._encoder.encode(blocks, depth)
