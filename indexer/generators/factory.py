"""Choosing a generator: a recording, a server or a model on this machine. One place."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from indexer.errors import GeneratorMissing, UsageError
from indexer.generators.interface import Generator
from indexer.settings import Settings

# Requests of searches that a server gets at a time.
WAITED_FOR = 8


class Kind(StrEnum):
    """Where texts come from."""

    RECORDED = "recorded"
    ENDPOINT = "endpoint"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """What a generator that writes needs: a server's address, a model's name there or its folder here, a key."""

    url: str = ""
    model: str = ""
    key: str = field(default="", repr=False)

    @classmethod
    def of(cls, settings: Settings) -> GeneratorSettings:
        """Return what the settings name."""
        return cls(settings.generator_url, settings.generator_model, settings.generator_key.get_secret_value())


def read_kind(text: str) -> tuple[Kind, Path | None]:
    """Return what `KIND[:FOLDER]` names; raise UsageError, with the list, for an unknown kind."""
    name, _, folder = text.partition(":")
    try:
        return Kind(name), Path(folder) if folder else None
    except ValueError as error:
        raise UsageError(f"unknown generator {name!r}; choose {', '.join(Kind)}") from error


def open_generator(kind: Kind, folder: Path, settings: GeneratorSettings, **options: int) -> Generator:
    """Return the generator of a kind, to be closed: what one writes is recorded in `folder`, and replayed from it.

    Raises UsageError where the settings or what they name is not enough.
    """
    if kind is Kind.RECORDED:
        from indexer.generators.recorded import Recorded

        return Recorded(folder)
    from indexer.generators.recorded import Recorder

    writer = _endpoint(settings, **options) if kind is Kind.ENDPOINT else _local(settings)
    try:
        return Recorder(writer, folder)
    except BaseException:
        writer.close()
        raise


def require_generator(settings: GeneratorSettings, purpose: str = "queries") -> None:
    """Raise GeneratorMissing where the settings name nothing that could write."""
    if not settings.url and not settings.model:
        raise GeneratorMissing(f"there is no generator to rewrite {purpose}; set FATHOM_GENERATOR_URL and "
                               "FATHOM_GENERATOR_MODEL")  # fmt: skip


def open_for_code(settings: GeneratorSettings, concurrency: int, recorded: str = "") -> tuple[Generator, int]:
    """Return the generator of code, to be closed, and how many texts it is asked for at a time.

    It is what `recorded` names as `KIND[:FOLDER]`, or what the settings do: a server, or without an address the model
    in a folder here. What one writes is recorded where there is a folder. Raises GeneratorMissing where nothing is
    named, and UsageError where it is wrong.
    """
    kind, folder = read_kind(recorded) if recorded else (None, None)
    if kind is Kind.RECORDED and folder is None:
        raise UsageError("recorded generations lie in a folder; write recorded:FOLDER")
    if kind is None:
        require_generator(settings, "code")
        kind = Kind.ENDPOINT if settings.url else Kind.LOCAL
    at_once = concurrency if kind is Kind.ENDPOINT else 1
    if folder is not None:
        return open_generator(kind, folder, settings, concurrency=at_once), at_once
    return _endpoint(settings, concurrency=at_once) if kind is Kind.ENDPOINT else _local(settings), at_once


def open_waited_for(settings: GeneratorSettings) -> Generator:
    """Return the generator of searches, to be closed: a server, or without an address the model in a folder here.

    Nothing is asked twice: somebody waits. Raises GeneratorMissing where the settings name none, and UsageError where
    they are wrong.
    """
    require_generator(settings)
    return _endpoint(settings, concurrency=WAITED_FOR, attempts=1) if settings.url else _local(settings)


def _endpoint(settings: GeneratorSettings, **options: int) -> Generator:
    from indexer.generators.chat import Server
    from indexer.generators.endpoint import Endpoint

    if not settings.url or not settings.model:
        raise UsageError("a generator on a server needs FATHOM_GENERATOR_URL and FATHOM_GENERATOR_MODEL")
    return Endpoint(Server(settings.url, settings.model, settings.key), **options)


def _local(settings: GeneratorSettings) -> Generator:
    from indexer.generators.local import Local

    if not settings.model:
        raise UsageError("a generator on this machine needs FATHOM_GENERATOR_MODEL, the folder of its model")
    return Local(Path(settings.model))
