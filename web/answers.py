"""What the routes answer that is theirs alone; the rest is what the service answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from search.packing import Context
from search.service import Suggestion
from search.types import Answer

# Stands for what is left out: the schema then says that it may be.
_NONE = Context(text="", tokens=0, units=(), left_out=())


class SearchAnswer(Answer):
    """An answer with the way to its next page; what was not asked for is left out."""

    cursor: str | None = Field(description="asks for the next page; null when there is none")
    context: Context = Field(default=_NONE, description="the hits as one text; with a budget only")
    timings_ms: dict[str, float] = Field(default={}, description="milliseconds of each step; with explain only")


class BatchAnswer(Answer):
    """An answer in a batch: the line's `id` beside it."""

    id: str | int | None
    context: Context = Field(default=_NONE, description="the hits as one text; with a budget only")


class BatchFault(BaseModel):
    """What stands in a batch's answer where a line was wrong."""

    id: str | int | None
    error: dict[Literal["code", "message"], str]


class Suggestions(BaseModel):
    """What could be typed on, the likeliest first."""

    suggestions: tuple[Suggestion, ...]


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Ready(Alive):
    """There is an index to search."""

    generation: int


class Document(BaseModel):
    """An OpenAPI document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
