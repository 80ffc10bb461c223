"""The sources of a repository set: which package, from which registry, and where it lies on this machine.

Fetches nothing: `python -m benchmarks.sources SET` does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from indexer.errors import UsageError
from indexer.settings import Settings

SOURCES = "sources.json"


class Source(BaseModel):
    """One package of a set: `include` are the folders of it that count, `root` is taken off their paths.

    What is `held_out` is kept from all tuning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # A folder of this name is made, and replaced.
    repository: str = Field(pattern=r"^\w[\w.-]*$")
    registry: Literal["pypi", "npm", "go", "maven", "crates", "debian", "deb"]
    package: str
    version: str
    language: str
    licence: str
    include: tuple[str, ...] = (".",)
    root: str = ""
    held_out: bool = False

    def identity(self) -> dict[str, Any]:
        """Return what decides which files a source has."""
        return self.model_dump(mode="json", include={"registry", "package", "version", "include", "root"})


def read_sources(folder: Path) -> tuple[Source, ...]:
    """Read `sources.json` of a set; raise UsageError naming what is wrong with it."""
    path = folder / SOURCES
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"the set {folder} has no {SOURCES}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(entries, list):
        raise UsageError(f"{path} is not a list of sources")
    sources: dict[str, Source] = {}
    for place, entry in enumerate(entries, 1):
        try:
            source = Source.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise UsageError(f"{path}, source {place}: {where}: {first['msg']}") from error
        if source.repository in sources:
            raise UsageError(f"{path}, source {place}: {source.repository!r} is named twice")
        sources[source.repository] = source
    return tuple(sources.values())


def lies_at(source: Source, folder: Path) -> bool:
    """Tell whether the source, in its version, lies in `folder` whole."""
    mark = _mark(folder)
    return folder.is_dir() and mark.is_file() and mark.read_bytes() == _identity(source).encode()


def mark(source: Source, folder: Path) -> None:
    """Note that the source lies in `folder` whole: beside it, so that the folder holds nothing of ours."""
    _mark(folder).write_text(_identity(source), encoding="utf-8")


def _mark(folder: Path) -> Path:
    return folder.with_name(folder.name + ".source.json")


def _identity(source: Source) -> str:
    return json.dumps(source.identity(), sort_keys=True)


def default_layout(folder: Path, settings: Settings | None = None) -> Path:
    """Return where the sources of a set lie unless said otherwise: below the cache folder, by the set's name."""
    return (settings or Settings()).cache / "sets" / folder.resolve().name
