"""What each route promises: who may ask, what it takes, what it answers. The guard and the OpenAPI document read it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from search.batch import BatchQuery
from search.service import File, Status, UnitRecord
from search.types import Answer
from web.answers import Alive, BatchAnswer, BatchFault, Document, Ready, SearchAnswer, Suggestions
from web.fields import FileFields, NoFields, SearchFields, SimilarFields, SuggestFields
from web.keys import Scope

NDJSON = "application/x-ndjson"
TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. Without a scope it is open to all; `lines` are the models of a body and an answer in lines."""

    summary: str
    answers: type[BaseModel] | None
    scope: Scope | None = None
    takes: type[BaseModel] = NoFields
    refuses: tuple[int, ...] = ()
    tagged: bool = False
    media: str = "application/json"
    lines: tuple[type[BaseModel], ...] = ()


# Endpoint → what it promises. Every route of the API and those that watch over a server are here.
OPERATIONS = {
    "api.search": Operation(
        "Answer a query", SearchAnswer, Scope.SEARCH, SearchFields, (400, 413, 415, 503), tagged=True
    ),
    "api.similar": Operation(
        "Return the units most like one", Answer, Scope.SEARCH, SimilarFields, (400, 404, 413, 415, 503), tagged=True
    ),
    "api.suggest": Operation(
        "Return names and paths that begin with what was typed",
        Suggestions,
        Scope.SEARCH,
        SuggestFields,
        (400, 503),
        tagged=True,
    ),
    "api.unit": Operation("Return one unit", UnitRecord, Scope.READ, refuses=(400, 404, 503), tagged=True),
    "api.file": Operation(
        "Return a file as far as the index holds it", File, Scope.READ, FileFields, (400, 404, 503), tagged=True
    ),
    "api.batch": Operation(
        "Answer many queries, a JSON object a line, in their order",
        None,
        Scope.BATCH,
        refuses=(400, 415, 503),
        media=NDJSON,
        lines=(BatchQuery, BatchAnswer, BatchFault),
    ),
    "api.status": Operation("Say what the index holds", Status, Scope.STATUS, refuses=(400, 503), tagged=True),
    "api.document": Operation("Return this document", Document, refuses=(400,), tagged=True),
    "health.alive": Operation("Say that the process answers", Alive),
    "health.ready": Operation("Say whether there is an index to search", Ready, refuses=(503,)),
    "health.metrics": Operation("Return counts and times for Prometheus", None, Scope.METRICS, media=TEXT),
}
