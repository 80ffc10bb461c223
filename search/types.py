"""What a search gives back, in the one shape that the command line, the API and Python share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Hit(BaseModel):
    """A unit that answers, its score, the parts that add up to it, and the lines that matched.

    `like` are the ids of the near-duplicates that this hit stands for, the best first.
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


class Answer(BaseModel):
    """The hits of one page and what is known of the whole list.

    `complete` is the share of units that have vectors; `total` counts the hits that can be listed, a unit and those
    `like` it as one; `probability` says how likely the first hit is relevant, None where that is not known; `notes`
    say in words what was degraded. `query_class` is written as `class`; `timings_ms`, what each step took, is for
    those who measure and not part of the JSON.
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
    timings_ms: dict[str, float] = Field(default={}, exclude=True)
