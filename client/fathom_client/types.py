"""What is asked and answered, as frozen values. Fields that a newer server adds are left aside.

Only types: nothing here reads JSON or knows of HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["hybrid", "lexical", "vector"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit with its text."""

    id: str
    repository: str
    path: str
    start_line: int
    end_line: int
    language: str
    kind: str
    symbol: str
    text: str
    signature: str = ""
    docstring: str = ""
    purpose: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit(Unit):
    """A unit that answers, its score and the parts that add up to it, and the lines that matched.

    Lines are counted from 1, both ends included; `like` are the ids of the near-duplicates that it stands for.
    """

    rank: int
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)
    lines: tuple[int, ...] = ()
    like: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Hits packed for a prompt: `text` of `tokens`, the ids of the `units` in it and of the hits `left_out`."""

    text: str
    tokens: int
    units: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The hits of one page and what is known of the whole list.

    `query_class` is the JSON's `class`; `complete` is the share of units with vectors, `probability` how likely the
    first hit is relevant, `context` there where a budget was named, `id` that of a batch's line.
    """

    query: str
    query_class: str = field(metadata={"name": "class"})
    generation: int
    complete: float
    took_ms: float
    total: int
    hits: tuple[Hit, ...]
    probability: float | None = None
    notes: tuple[str, ...] = ()
    context: Context | None = None
    cursor: str | None = None
    id: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What stands in a batch in the place of an answer that cannot be given."""

    code: str
    message: str
    id: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query of a batch with its options; None means the server's default, and `id` comes back with the answer."""

    query: str
    id: str | int | None = None
    k: int | None = None
    offset: int | None = None
    mode: Mode | None = None
    rank: bool | None = None
    budget: int | None = None
    neighbours: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a file, counted from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as far as the index holds it, with the ids of its units."""

    repository: str
    path: str
    language: str
    lines: tuple[Line, ...]
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source of the index."""

    name: str
    kind: str
    location: str = ""
    revision: str = ""
    indexed_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How much of the index is of one language; `bytes` of source."""

    files: int
    units: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the index holds and what it does not: see the server's documentation for each count."""

    generation: int
    complete: float
    files: int
    units: int
    created: str = ""
    model: str = ""
    recall: float | None = None
    blocks: int = 0
    bytes: int = 0
    unparsed: int = 0
    redactions: int = 0
    purposes: int = 0
    depths: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, Language] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Something that could be typed on: a `symbol` or a `path`, as `kind` says."""

    text: str
    kind: str
