"""Many queries, a JSON object a line: read one by one, encoded many at once, answered in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import from_json

from indexer.errors import GeneratorMissing, QueryError
from search.engine import BATCH, Engine, Wanted
from search.packing import Context, pack
from search.retrieval import Mode
from search.rewriting.rewriter import MAX_REWRITE_MS
from search.types import Answer

# Characters of one query, hits of one answer, tokens of one context, and bytes of one line.
MAX_QUERY = 100_000
MAX_K = 1_000
MAX_BUDGET = 1_000_000
MAX_LINE = 2 << 20

# What a fault is called for programs; any other is an invalid request.
_CODES: Mapping[type[Exception], str] = {QueryError: "bad_query", GeneratorMissing: "generator_missing"}
_BYTE_ORDER_MARK = "\ufeff"


class BatchQuery(BaseModel):
    """A query with its options; `id` comes back with its answer.

    With a `budget` of tokens the answer has a `context`, and with `neighbours` what lies beside the hits fills it up.
    """

    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, max_length=MAX_QUERY)
    k: int = Field(default=10, ge=1, le=MAX_K)
    offset: int = Field(default=0, ge=0, le=1_000_000)
    mode: Mode = Mode.HYBRID
    rank: bool = True
    budget: int | None = Field(default=None, ge=1, le=MAX_BUDGET)
    neighbours: bool = False
    rewrite_ms: int = Field(default=0, ge=0, le=MAX_REWRITE_MS)
    id: str | int | None = None

    def wanted(self) -> Wanted:
        """Return it as an engine takes it."""
        return Wanted(self.query, self.k, self.offset, self.mode, self.rank, rewrite_ms=self.rewrite_ms)


class _Line(BatchQuery):
    """A line of a batch: BEIR's fields (`_id`, `text`) too, and what counts where it names nothing."""

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, fields: Any, asked: ValidationInfo) -> Any:
        if not isinstance(fields, dict):
            return fields
        if "_id" in fields and "text" in fields and "query" not in fields:
            options = {name: value for name, value in fields.items() if name in BatchQuery.model_fields}
            fields = {**options, "id": fields["_id"], "query": fields["text"]}
        return {**(asked.context or {}), **fields}


Packer = Callable[[Answer, BatchQuery], Context]


def pack_hits(answer: Answer, query: BatchQuery) -> Context:
    """Return an answer's hits as a context, without neighbours: no index is at hand."""
    return pack(answer.hits, query.budget or 0)


def batched(
    engine: Engine,
    lines: Iterable[str | bytes],
    defaults: Mapping[str, Any] | None = None,
    packer: Packer = pack_hits,
) -> Iterator[dict[str, Any]]:
    """Yield, for each line that is not empty, an answer in its public shape with the line's `id`.

    A line that is no query, or one that cannot be read, gets `{"id", "error": {"code", "message"}}` in its place.
    `defaults` are options of `BatchQuery` that count where a line names none.
    """
    rest = (line for line in lines if line.strip())
    while chunk := [_read(line, defaults) for line in islice(rest, BATCH)]:
        answers = engine.answers(each.wanted() for each in chunk if isinstance(each, BatchQuery))
        for each in chunk:
            yield _shown(each, next(answers), packer) if isinstance(each, BatchQuery) else each


def _read(line: str | bytes, defaults: Mapping[str, Any] | None) -> BatchQuery | dict[str, Any]:
    if len(line) > MAX_LINE:
        return fault(None, "invalid_request", f"the line is longer than {MAX_LINE} bytes")
    try:
        return _Line.model_validate_json(_bare(line), context=defaults)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        return fault(_identity(line), "invalid_request", f"{field}: {first['msg']}" if field else first["msg"])


def _identity(line: str | bytes) -> str | int | None:
    """Return the id of a line that is wrong otherwise, if it has one."""
    try:
        fields = from_json(_bare(line))
    except ValueError:
        return None
    found = fields.get("id", fields.get("_id")) if isinstance(fields, dict) else None
    return found if isinstance(found, str) or type(found) is int else None


def _bare(line: str | bytes) -> str | bytes:
    """Return a line without the mark that some editors put before the first one."""
    if isinstance(line, bytes):
        return line.removeprefix(_BYTE_ORDER_MARK.encode())
    return line.removeprefix(_BYTE_ORDER_MARK)


def _shown(query: BatchQuery, answer: Answer | Exception, packer: Packer) -> dict[str, Any]:
    if not isinstance(answer, Answer):
        code = next((code for kind, code in _CODES.items() if isinstance(answer, kind)), "invalid_request")
        return fault(query.id, code, str(answer))
    context = {} if query.budget is None else {"context": packer(answer, query).model_dump()}
    return {"id": query.id, **answer.model_dump(), **context}


def fault(identity: str | int | None, code: str, message: str) -> dict[str, Any]:
    """Return what stands in the place of an answer that cannot be given."""
    return {"id": identity, "error": {"code": code, "message": message}}
