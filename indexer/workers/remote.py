"""What runs on a node of a cluster: one actor that parses and encodes. It knows no cluster, no index and no source."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from indexer.encoder.interface import Encoder, Ids, Vectors
from indexer.settings import Device, Settings
from indexer.splitting.pool import ParsedFile, ParserPool
from indexer.types import SourceFile

DISTRIBUTION = "fathom-search"


@dataclass(frozen=True, slots=True)
class Work:
    """How an actor is to work: its model's folder (None: the shipped one), its device, and its share of the cores.

    `command` starts a parser process; Fathom's own where it is empty.
    """

    model: Path | None = None
    device: Device = "cpu"
    cores: int = 1
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Introduction:
    """What an actor says of itself before it is given anything."""

    version: str
    fingerprint: str
    node: str
    process: int


class RemoteWorker:
    """Parses in processes of its own, so that a hostile file costs one of them and not the actor; holds the model."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def introduce(self) -> Introduction:
        """Load the model and say what is here."""
        return Introduction(version(DISTRIBUTION), self._encoder.fingerprint, platform.node(), os.getpid())

    def parse(self, files: Sequence[SourceFile]) -> list[ParsedFile]:
        """Return each file's units, in their order."""
        return [parsed for _, _, parsed in self._pool.parse(enumerate(files))]

    def encode(self, blocks: Sequence[Ids], depth: int) -> Vectors:
        """Return the vectors (n, dimension) of a batch of blocks."""
        return self._encoder.encode(blocks, depth)

    @cached_property
    def _pool(self) -> ParserPool:
        """Its processes end with this one: their input does."""
        return ParserPool(self._work.cores, command=self._work.command)

    @cached_property
    def _encoder(self) -> Encoder:
        from indexer.index import load_encoder

        settings = Settings(model=self._work.model, device=self._work.device, ray="")
        return load_encoder(settings, self._work.cores)
