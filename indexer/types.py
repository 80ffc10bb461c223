"""The value types that every floor speaks.

Frozen, plain, and importing nothing of ours: no behaviour beyond what follows from the fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a unit is."""

    FUNCTION = "function"
    METHOD = "method"
    CLASS = "class"  # the head of a class, struct, interface, trait, enum, module …
    MODULE = "module"  # what is left of a source file at top level
    SECTION = "section"  # part of a document: a Markdown section, a TOML table, a CSS rule


class SkipReason(StrEnum):
    """Why a file, or a part of it, is not indexed as it stands; every one is counted."""

    IGNORED = "ignored"
    TOO_LARGE = "too large"
    BINARY = "binary"
    GENERATED = "generated"
    VENDORED = "vendored"
    SECRET = "secret"  # noqa: S105 - a reason, not a password
    UNREADABLE = "unreadable"
    SYMLINK = "symbolic link"
    SUBMODULE = "submodule"
    MALFORMED = "malformed record"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file read from a source: raw bytes, nothing decoded.

    `path` is relative to the source's root, with "/". `language` names the language where the
    source knows it (a corpus record); None means: tell by path and content. `record` is True for
    a corpus record, whose whole text is one unit, with `symbol` and `docstring` as recorded.
    """

    repository: str
    path: str
    content: bytes
    language: str | None = None
    record: bool = False
    symbol: str = ""
    docstring: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that a source saw and did not yield, and why."""

    repository: str
    path: str
    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class UnitSpan:
    """A unit as the splitter finds it in one file. Lines are 1-based and inclusive.

    `cuts` are the lines, after `start_line` and up to `end_line`, at which an AST statement of the
    unit starts and a block may begin; ascending; empty for short units.
    """

    kind: Kind
    symbol: str
    signature: str
    docstring: str
    start_line: int
    end_line: int
    cuts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """What a search returns: a run of lines of one source file, with what is known of it."""

    id: str
    repository: str
    path: str
    language: str
    kind: Kind
    symbol: str
    signature: str
    docstring: str
    start_line: int
    end_line: int
    text: str
    cuts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A run of neighbouring AST statements of a unit that fits the encoder's window.

    `first` and `last` are the half-open range of the unit's tokens. Lines as in `Unit`.
    """

    start_line: int
    end_line: int
    first: int
    last: int
