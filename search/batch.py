"""Many queries, a JSON object a line: read one by one, encoded many at once, answered in their order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from indexer.errors import QueryError
from search.engine import BATCH, Engine, Wanted
from search.retrieval import Mode
from search.types import Answer

# Characters of one query, and hits of one answer.
MAX_QUERY = 100_000
MAX_K = 1_000


class BatchQuery(BaseModel):
    """A query with its options; `id` comes back with its answer."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, max_length=MAX_QUERY)
    k: int = Field(default=10, ge=1, le=MAX_K)
    offset: int = Field(default=0, ge=0, le=1_000_000)
    mode: Mode = Mode.HYBRID
    rank: bool = True
    id: str | int | None = None

    def wanted(self) -> Wanted:
        """Return it as an engine takes it."""
        return Wanted(self.query, self.k, self.offset, self.mode, self.rank)


def batched(engine: Engine, lines: Iterable[str | bytes], k: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield, for each line that is not empty, an answer in its public shape with the line's `id`.

    A line that is no query, or one that cannot be read, gets `{"id", "error": {"code", "message"}}` in its place. `k`
    counts where a line names none.
    """
    rest = (line for line in lines if line.strip())
    while chunk := [_read(line, k) for line in islice(rest, BATCH)]:
        answers = engine.answers(each.wanted() for each in chunk if isinstance(each, BatchQuery))
        for each in chunk:
            yield _shown(each.id, next(answers)) if isinstance(each, BatchQuery) else each


def _read(line: str | bytes, k: int | None) -> BatchQuery | dict[str, Any]:
    try:
        found = BatchQuery.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        return _fault(None, "invalid_request", f"{field}: {first['msg']}" if field else first["msg"])
    return found if k is None or "k" in found.model_fields_set else found.model_copy(update={"k": k})


def _shown(identity: str | int | None, answer: Answer | Exception) -> dict[str, Any]:
    if isinstance(answer, Answer):
        return {"id": identity, **answer.model_dump()}
    return _fault(identity, "bad_query" if isinstance(answer, QueryError) else "invalid_request", str(answer))


def _fault(identity: str | int | None, code: str, message: str) -> dict[str, Any]:
    return {"id": identity, "error": {"code": code, "message": message}}


def trec_lines(answer: dict[str, Any], name: str) -> Iterator[str]:
    """Yield an answer as lines of a TREC run: query, Q0, unit, rank, score, run. Those of an error are none."""
    for hit in answer.get("hits", ()):
        if math.isfinite(hit["score"]):
            yield f"{answer['id']} Q0 {hit['id']} {hit['rank']} {hit['score']:.6f} {name}"
