"""What a search gives back, in the one shape that the command line, the API and Python share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer


class Hit(BaseModel):
    """A unit that answers, its score, the parts that add up to it, and the lines that matched.

    `purpose` is a sentence that a language model wrote, None where none did. `like` are the ids of the near-duplicates
    that this hit stands for, the best first.
    """

    model_config = ConfigDict(frozen=True)

    rank: int
    id: str
    repository: str
    path: str
    start_line: int
    end_line: int
    language: str
    kind: str
    symbol: str
    signature: str
    docstring: str
    purpose: str | None = None
    score: float
    parts: dict[str, float]
    lines: tuple[int, ...]
    text: str
    like: tuple[str, ...] = ()


class Rewriting(BaseModel):
    """The code that was generated for a query and asked for beside it: what wrote it, the texts, and what it took.

    `ms` is how long the search waited; `cached` tells that the texts were there.
    """

    model_config = ConfigDict(frozen=True)

    generator: str
    exemplars: tuple[str, ...]
    ms: float
    cached: bool


class Answer(BaseModel):
    """The hits of one page and what is known of the whole list.

    `complete` is the share of units that have vectors; `total` counts the hits that can be listed, a unit and those
    `like` it as one; `probability` says how likely the first hit is relevant, None where that is not known; `notes`
    say in words what was degraded. `rewriting` is the code that was generated for the query, left out of the JSON where
    there is none. `query_class` is written as `class`; `timings_ms`, what each step took, for those who measure, and
    `faults`, what lies behind the notes, for who runs the index, are not part of the JSON.
    """

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    query: str
    query_class: str = Field(serialization_alias="class")
    generation: int
    complete: float
    took_ms: float
    total: int
    probability: float | None = None
    hits: tuple[Hit, ...]
    notes: tuple[str, ...] = ()
    rewriting: Rewriting | None = None
    timings_ms: dict[str, float] = Field(default={}, exclude=True)
    faults: tuple[str, ...] = Field(default=(), exclude=True)

    # Without the type that it returns: the schema is then that of the fields.
    @model_serializer(mode="wrap")
    def _without_none(self, write: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        written: dict[str, Any] = write(self)
        if self.rewriting is None:
            written.pop("rewriting", None)
        return written
