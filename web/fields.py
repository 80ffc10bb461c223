"""What each route takes, and how it is read from an address or a body: strictly, and nothing that is not known."""

from __future__ import annotations

import json
import re
from typing import Annotated, TypeVar
from urllib.parse import unquote_to_bytes

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from werkzeug.exceptions import HTTPException

from search.batch import MAX_BUDGET, MAX_K, MAX_QUERY
from search.retrieval import Mode
from search.rewriting.rewriter import MAX_REWRITE_MS
from web.errors import Refused

# The last hit that can be asked for.
MAX_OFFSET = 1_000_000

_MAX_LINE = 2**31
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_TRUTHS = {"true": True, "false": False}
_JSON = frozenset({"application/json"})

_ModelT = TypeVar("_ModelT", bound=BaseModel)


def _whole(value: object) -> object:
    """Return a number without a fraction as a whole one, as JSON has it: 1.0 is 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Whole = Annotated[int, BeforeValidator(_whole)]
_Budget = Annotated[int, Field(ge=1, le=MAX_BUDGET), BeforeValidator(_whole)] | None


class Fields(BaseModel):
    """Fields of a request; one that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class SearchFields(Fields):
    """What `/search` takes."""

    query: str = Field(
        min_length=1, max_length=MAX_QUERY, description="words, code or a symbol; see the query language"
    )
    k: _Whole = Field(default=10, ge=1, le=MAX_K, description="hits of a page")
    offset: _Whole = Field(default=0, ge=0, le=MAX_OFFSET, description="hits before the first of the page")
    cursor: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="an answer's cursor: the page after it; goes without an offset",
    )
    mode: Mode = Field(default=Mode.HYBRID, description="by words and meaning, or by one of them")
    rank: bool = Field(default=True, description="false: what both indexes find, fused, without the ranking")
    budget: _Budget = Field(default=None, description="tokens of a context made of the hits; none without")
    neighbours: bool = Field(default=False, description="fill the context with what lies beside the hits")
    rewrite_ms: _Whole = Field(
        default=0, ge=0, le=MAX_REWRITE_MS, description="milliseconds for code that a generator writes for the query"
    )
    explain: bool = Field(default=False, description="add timings_ms, what each step took")


class SimilarFields(Fields):
    """What `/similar` takes: the id of a unit."""

    id: str = Field(min_length=1, max_length=200, description="a hit's id")
    k: _Whole = Field(default=10, ge=1, le=MAX_K, description="hits")


class SuggestFields(Fields):
    """What `/suggest` takes: what was typed so far."""

    prefix: str = Field(default="", max_length=200, description="what was typed")
    limit: _Whole = Field(default=8, ge=1, le=50, description="suggestions")


class FileFields(Fields):
    """Which lines of a file, counted from 1, both ends included."""

    start_line: _Whole = Field(default=1, ge=1, le=_MAX_LINE, description="first line")
    end_line: _Whole = Field(default=_MAX_LINE, ge=1, le=_MAX_LINE, description="last line")


class NoFields(Fields):
    """What a route takes that takes nothing."""


def read(model: type[_ModelT]) -> _ModelT:
    """Return the request's fields, from its address or its JSON body; raise ValidationError or Refused."""
    if request.method in ("GET", "HEAD"):
        return model.model_validate_json(json.dumps(_arguments(model)), strict=True)
    check_content(_JSON)
    return model.model_validate_json(_body(), strict=True)


def _body() -> bytes:
    try:
        return request.get_data()
    except HTTPException:
        raise
    except Exception as error:
        # Each HTTP server has errors of its own for a body that is not what its headers say.
        raise Refused(400, "bad_request", "the body cannot be read") from error


def check_content(types: frozenset[str]) -> None:
    """Raise Refused for a body that says it is of another type; one that says nothing is believed to be right."""
    if request.mimetype and request.mimetype not in types:
        said = f"the body must be {' or '.join(sorted(types))}; it says it is {request.mimetype[:100]}"
        raise Refused(415, "unsupported_media_type", said)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "unsupported_media_type", "the body must not be compressed")


def _arguments(model: type[BaseModel]) -> dict[str, str | int | bool]:
    """Return the fields of the address, numbers and truths as such where the model has them."""
    try:
        unquote_to_bytes(request.query_string).decode()
    except UnicodeDecodeError as error:
        raise Refused(400, "invalid_request", "the address is not UTF-8") from error
    found = {}
    for name, values in request.args.lists():
        if len(values) > 1:
            raise Refused(400, "invalid_request", "this is given more than once", name[:100])
        found[name] = _typed(model, name, values[0])
    return found


def _typed(model: type[BaseModel], name: str, text: str) -> str | int | bool:
    field = model.model_fields.get(name)
    kind = field.annotation if field is not None else str
    if kind in (int, _Budget) and _INTEGER.fullmatch(text):
        return int(text)
    if kind is bool and text in _TRUTHS:
        return _TRUTHS[text]
    return text
