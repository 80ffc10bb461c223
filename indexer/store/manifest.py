"""What a generation is made of: the derived files it names, with their sizes and checksums.

Reads and verifies files; does not know what is inside them.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import xxhash
from pydantic import BaseModel, ConfigDict, ValidationError

from indexer.errors import EnvironmentFailed, IndexDamaged, IndexIncompatible
from indexer.settings import Backend

_CHUNK = 1 << 20

# Folders of the derived indexes below the index folder.
LEXICAL = "lexical"
VECTORS = "vectors"
# Where, below the first, what is being written lies.
WORK = "work"

REPAIR = "run `fathom check --repair` with this index to rebuild what is derived"
REINDEX = "remove the index's folder and index its sources again with `fathom index SOURCE`"


class DerivedFile(BaseModel):
    """A file of a derived index: its path below the index folder, its size in bytes and its checksum."""

    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    xxh3: str


class VectorSegment(BaseModel):
    """An immutable set of unit vectors: `count` of them, made at `depth` of the encoder, in `files`."""

    model_config = ConfigDict(frozen=True)

    name: str
    count: int
    depth: int
    files: tuple[DerivedFile, ...]


class Manifest(BaseModel):
    """One published state of an index.

    `model` is the encoder's name, `fingerprint` what tells it from others of that name. `depths` says how many of the
    `documents` units have vectors, by the depth at which they were made; `recall` is recall@10 of the vector search
    against exact search, measured when its largest segment was built (None: it is exact, or in a cluster). `weights`
    are those of `indexer.combining.CodeWeights` with which rewritings were combined with code. `backend` says what has
    which part: `lexical` is a folder of `lexical_files`, or an index in the cluster, which has none; `vectors` is the
    index in the cluster that has them, "" where they are in `segments`.
    """

    model_config = ConfigDict(frozen=True)

    generation: int
    created: str
    documents: int
    depths: dict[int, int]
    model: str
    fingerprint: str
    backend: Backend = Backend.EMBEDDED
    lexical: str
    lexical_files: tuple[DerivedFile, ...]
    vectors: str = ""
    segments: tuple[VectorSegment, ...] = ()
    dead: DerivedFile | None = None
    recall: float | None = None
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def encoded(self) -> int:
        """How many units have vectors."""
        return sum(self.depths.values())

    @property
    def complete(self) -> float:
        """Which share of the units has vectors; all of none."""
        return self.encoded / self.documents if self.documents else 1.0

    @property
    def shallow(self) -> bool:
        """Whether most of the vectors were made at exit 0: words say more beside them than beside deeper ones."""
        return 2 * self.depths.get(0, 0) > self.encoded

    def files(self) -> Iterator[DerivedFile]:
        """Yield every derived file of this generation."""
        yield from self.lexical_files
        for segment in self.segments:
            yield from segment.files
        if self.dead is not None:
            yield self.dead


def refuse_other_model(manifest: Manifest, name: str, fingerprint: str, place: str) -> None:
    """Raise IndexIncompatible, naming both, where an index was made with another model than this one."""
    if manifest.fingerprint != fingerprint:
        version = " in another version" if manifest.model == name else ""
        raise IndexIncompatible(
            f"the index {place} was made with another model: {manifest.model}, and this is {name}{version}; "
            f"name that one's folder with --model, or {REINDEX}"
        )


def refuse_missing(keys: Iterable[int], found: Container[int]) -> None:
    """Raise IndexDamaged, with their number, where units that an index names are not among those its store has."""
    missing = sum(key not in found for key in keys)
    if missing:
        raise IndexDamaged(f"{missing} units that the index names are not in its store; {REPAIR}")


def read_manifest(text: str) -> Manifest:
    """Return the manifest written as JSON; raise IndexDamaged if it is not one."""
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise IndexDamaged(f"the index's manifest cannot be read ({error.error_count()} faults); {REINDEX}") from error


def checksum(path: Path) -> str:
    """Return the XXH3 (128 bit) of a file's bytes as hexadecimal digits."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def seal(root: Path, paths: Iterable[Path], known: dict[str, DerivedFile]) -> tuple[DerivedFile, ...]:
    """Make files durable and return them with their checksums.

    `known` holds files sealed before, by file name: derived files never change under a name that
    is unique to their content, so these are neither read nor synced again.
    """
    sealed = []
    for path in sorted(paths):
        relative = path.relative_to(root).as_posix()
        before = known.get(path.name)
        if before is None:
            sync(path)
            before = DerivedFile(path=relative, size=path.stat().st_size, xxh3=checksum(path))
        sealed.append(before.model_copy(update={"path": relative}))
    return tuple(sealed)


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a failure to write an index into EnvironmentFailed."""
    try:
        yield
    except OSError as error:
        raise EnvironmentFailed(f"the index {folder} could not be written: {error}") from error


@dataclass(frozen=True, slots=True)
class Fault:
    """A derived file that is not what the manifest says, and in which way."""

    path: str
    problem: str


def faults(root: Path, manifest: Manifest) -> list[Fault]:
    """Return every derived file of a manifest that is missing or differs from its checksum."""
    found = ((entry.path, _fault(root / entry.path, entry)) for entry in manifest.files())
    return [Fault(path, problem) for path, problem in found if problem]


def _fault(path: Path, entry: DerivedFile) -> str:
    try:
        size = path.stat().st_size
        if size != entry.size:
            return f"{size} bytes instead of {entry.size}"
        return "" if checksum(path) == entry.xxh3 else "its checksum differs"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return error.strerror or str(error)
