"""The errors that leave Fathom, each with the exit code a terminal shows for it.

Messages say what was wrong, with which value, and what to do next. No logic lives here.
"""


class FathomError(Exception):
    """Base of every error raised on purpose."""

    exit_code = 5


class UsageError(FathomError):
    """The caller asked for something that cannot be: a wrong option, path or value."""

    exit_code = 2


class QueryError(UsageError):
    """The query cannot be read; `position` is the 0-based offset of the fault in it."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class GeneratorMissing(UsageError):
    """Code was to be generated, and the settings name nothing that can."""


class IndexMissing(FathomError):
    """There is no index where one was asked for."""

    exit_code = 3


class IndexBuilding(IndexMissing):
    """There is no index yet, but one is being made."""


class IndexDamaged(FathomError):
    """A file of the index is not what was written, and was not used."""

    exit_code = 3


class IndexIncompatible(FathomError):
    """The index was made by another version or another model."""

    exit_code = 3


class ModelDamaged(FathomError):
    """A file of the encoder's model is missing or not what its hash says."""

    exit_code = 3


class IndexBusy(FathomError):
    """Another process is writing to this index."""

    exit_code = 4


class EnvironmentFailed(FathomError):
    """The machine failed us: disk, permission, memory, a program or a server."""

    exit_code = 5


class OutOfMemory(EnvironmentFailed):
    """There is too little memory to encode one text; `row` is its place among those that were given."""

    def __init__(self, row: int, tokens: int) -> None:
        super().__init__(
            f"there is too little memory to encode a text of {tokens} tokens; free some, or use fewer workers"
        )
        self.row = row


class ServerUnavailable(EnvironmentFailed):
    """A server that holds a part of the index does not answer, or asks to be left alone for now."""
