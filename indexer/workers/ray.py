"""Parsing and encoding by the actors of a Ray cluster. What is read and what is written stays with this process.

Ray's core is used, not `ray.data`: that needs pandas and pyarrow, and gives up the whole run, or a whole block of rows,
for one that ends its worker, where a file here costs its own grammar only.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

from indexer.encoder.interface import Encoder, Ids, Vectors
from indexer.errors import EnvironmentFailed
from indexer.settings import Device
from indexer.splitting.parse import ParseRequest, parse_file
from indexer.splitting.pool import ParsedFile
from indexer.types import SourceFile
from indexer.workers.cluster import Cluster
from indexer.workers.crew import Crew, Job
from indexer.workers.interface import Tag
from indexer.workers.remote import DISTRIBUTION, RemoteWorker, Work

# Files of one call: a call costs a millisecond, a small file hardly more.
_FILES = 16
_BYTES = 256 << 10
# Actors that may end over one file before it is read by lines, and over one batch before the run ends.
_FILE_TRIES = 2
_BATCH_TRIES = 3


class RayWorkers:
    """Actors of the cluster at an address, from entering the context to leaving it."""

    def __init__(
        self,
        address: str,
        encoder: Encoder,
        *,
        model: Path | None = None,
        device: Device = "cpu",
        most: int | None = None,
        command: tuple[str, ...] = (),
    ) -> None:
        """Prepare `most` actors, one a core by default, with the model that is `encoder` here.

        Each loads the folder `model` of its own node. `command` starts a parser process there.
        """
        self._cluster = Cluster(address, most)
        self._encoder, self._most = encoder, most
        self._work = Work(model.resolve() if model else None, device, 1, command)

    def __enter__(self) -> RayWorkers:
        """Connect and wait for the first actor.

        Raises EnvironmentFailed, within two minutes, where there is no cluster or its workers do not fit.
        """
        with ExitStack() as undoing:
            self._cluster.connect()
            undoing.callback(self._cluster.close)
            self._crew = self._hired()
            undoing.callback(self._crew.dismiss)
            self._crew.await_one()
            self._undoing = undoing.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undoing.close()

    @property
    def processes(self) -> list[int]:
        """The process ids of the actors that are ready, each on its own node."""
        return self._crew.processes

    def parse(
        self, files: Iterable[tuple[Tag, SourceFile]]
    ) -> Generator[tuple[Tag, SourceFile, ParsedFile], None, None]:
        """Yield each file's units; one that ends two actors comes back by lines."""
        for job in self._crew.in_order(_parse_jobs(files), _parse_otherwise):
            for (tag, file), parsed in zip(job.tag, job.answer, strict=True):
                yield tag, file, parsed

    def encode(
        self, batches: Iterable[tuple[Tag, Sequence[Ids]]], depth: int
    ) -> Generator[tuple[Tag, Vectors], None, None]:
        """Yield the vectors (n, dimension) of each batch; at depth 0, which takes less than sending it, made here."""
        if depth == 0:
            for tag, blocks in batches:
                yield tag, self._encoder.encode(blocks, depth)
            return
        jobs = (Job("encode", (blocks, depth), tag) for tag, blocks in batches)
        for job in self._crew.in_order(jobs, _encode_again):
            yield job.tag, job.answer

    def _hired(self) -> Crew:
        """Return actors for what the cluster has free: one a core, or one a GPU with its share of the cores."""
        cores, gpus = self._cluster.free()
        size, share = (gpus, max(1, cores // max(1, gpus))) if self._work.device == "cuda" else (cores, 1)
        if size < 1:
            what = "GPU" if self._work.device == "cuda" else "core"
            raise EnvironmentFailed(f"the Ray cluster at {self._cluster.address} has no free {what}")
        work = Work(self._work.model, self._work.device, share, self._work.command)
        options: dict[str, Any] = {"num_cpus": share, "num_gpus": int(self._work.device == "cuda"), "max_restarts": 0}

        def hire() -> Any:
            return self._cluster.actor(RemoteWorker, options, work)

        return Crew(hire, min(size, self._most or size), version(DISTRIBUTION), self._encoder.fingerprint)


def _parse_jobs(files: Iterable[tuple[Tag, SourceFile]]) -> Iterator[Job]:
    """Yield a job for every few files."""
    some: list[tuple[Tag, SourceFile]] = []
    size = 0
    for tag, file in files:
        some.append((tag, file))
        size += len(file.content)
        if len(some) == _FILES or size >= _BYTES:
            yield _parse_job(some, 0)
            some, size = [], 0
    if some:
        yield _parse_job(some, 0)


def _parse_job(files: list[tuple[Tag, SourceFile]], lost: int) -> Job:
    return Job("parse", ([file for _, file in files],), files, lost)


def _parse_otherwise(job: Job) -> Sequence[Job]:
    """Return what takes the place of files whose actor ended: each one alone, and by lines what ended two."""
    if not job.lost:
        return [job]
    if len(job.tag) > 1:
        return [_parse_job([one], job.lost) for one in job.tag]
    if job.lost >= _FILE_TRIES:
        request = ParseRequest(job.tag[0][1], grammar=False)
        job.finish([ParsedFile(parse_file(request), f"{job.lost} workers ended while they parsed it")])
    return [job]


def _encode_again(job: Job) -> Sequence[Job]:
    if job.lost >= _BATCH_TRIES:
        raise EnvironmentFailed(
            f"{job.lost} workers of the Ray cluster ended while they encoded the same {len(job.arguments[0])} blocks; "
            "have their nodes memory enough?"
        )
    return [job]
