"""The JSON API: it reads requests, asks the service and writes what it says, errors always in one shape."""

from __future__ import annotations

import json
import uuid
from typing import Any, TypeVar

from flask import Blueprint, Response, current_app, g, jsonify, request, stream_with_context
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.exceptions import HTTPException

from indexer.errors import FathomError, QueryError, UsageError
from search.batch import MAX_K, BatchQuery, batched
from search.service import Service
from web.service import service

api = Blueprint("api", __name__)
health = Blueprint("health", __name__)

_ModelT = TypeVar("_ModelT", bound=BaseModel)


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SimilarRequest(_Request):
    """What `/similar` takes: the id of a unit."""

    id: str = Field(min_length=1, max_length=200)
    k: int = Field(default=10, ge=1, le=MAX_K)


class SuggestRequest(_Request):
    """What `/suggest` takes: what was typed so far."""

    prefix: str = Field(default="", max_length=200)
    limit: int = Field(default=8, ge=1, le=50)


def _request_id() -> str:
    """Return what the log and the answer call this request."""
    if "request_id" not in g:
        g.request_id = uuid.uuid4().hex
    name: str = g.request_id
    return name


@api.after_app_request
def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = _request_id()
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@api.route("/search", methods=["GET", "POST"])
def search() -> Response:
    """Answer a query."""
    return jsonify(_search(_read(BatchQuery)))


@api.route("/similar", methods=["GET", "POST"])
def similar() -> Response:
    """Return the units most like one."""
    wanted = _read(SimilarRequest)
    return jsonify(_service().similar(wanted.id, wanted.k).model_dump())


@api.get("/units/<unit_id>")
def unit(unit_id: str) -> Response:
    """Return one unit."""
    return jsonify(_service().unit(unit_id).model_dump())


@api.get("/files/<repository>/<path:path>")
def file(repository: str, path: str) -> Response:
    """Return a file as far as the index holds it."""
    return jsonify(_service().file(repository, path).model_dump())


@api.post("/batch")
def batch() -> Response:
    """Answer queries, a JSON object a line, in their order; a line that is none gets an error in its place."""
    asked = _service()
    asked.generation()  # an index that is not there is one error, not one a line
    answers = batched(asked.engine, request.get_data().splitlines())
    written = stream_with_context(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers)
    return Response(written, mimetype="application/x-ndjson")


@api.get("/status")
def status() -> Response:
    """Say what the index holds."""
    return jsonify(_service().status().model_dump())


@api.get("/suggest")
def suggest() -> Response:
    """Return names and paths that begin with what was typed."""
    wanted = _read(SuggestRequest)
    found = _service().suggest(wanted.prefix, wanted.limit)
    return jsonify({"suggestions": [each.model_dump() for each in found]})


@health.get("/healthz")
def alive() -> Response:
    """Say that the process answers."""
    return jsonify({"status": "ok"})


@health.get("/readyz")
def ready() -> tuple[Response, int]:
    """Say whether there is an index to search."""
    try:
        return jsonify({"status": "ok", "generation": _service().generation()}), 200
    except FathomError as error:
        return _fault(503, "not_ready", str(error))


@api.errorhandler(FathomError)
def _failed(error: FathomError) -> tuple[Response, int]:
    return _fault(*_kind(error), str(error))


@api.errorhandler(ValidationError)
def _invalid(error: ValidationError) -> tuple[Response, int]:
    first = error.errors()[0]
    return _fault(400, "invalid_request", first["msg"], ".".join(map(str, first["loc"])) or None)


@api.errorhandler(HTTPException)
@api.app_errorhandler(HTTPException)
def _http(error: HTTPException) -> tuple[Response, int] | HTTPException:
    if not request.path.startswith("/api/"):
        return error
    name = (error.name or "error").lower().replace(" ", "_")
    return _fault(error.code or 500, name, error.description or name)


@api.errorhandler(Exception)
def _unforeseen(error: Exception) -> tuple[Response, int]:
    current_app.logger.error("request %s failed", _request_id(), exc_info=error)
    return _fault(500, "internal_error", "this is a fault of ours; the log has it under the request's id")


def _search(wanted: BatchQuery) -> dict[str, Any]:
    answer = _service().search(wanted.query, wanted.k, wanted.offset, mode=wanted.mode, rank=wanted.rank)
    return answer.model_dump()


def _read(model: type[_ModelT]) -> _ModelT:
    """Return the request's fields, from its JSON body or its address; raise ValidationError."""
    if request.method == "GET":
        return model.model_validate(request.args.to_dict())
    return model.model_validate_json(request.get_data())


def _kind(error: FathomError) -> tuple[int, str]:
    """Return the status and the code of an error that was raised on purpose."""
    if isinstance(error, QueryError):
        return 400, "bad_query"
    if isinstance(error, UsageError):
        return (404, "not_found") if request.endpoint in _NAMING else (400, "invalid_request")
    return 503, "index_unavailable"


# These are asked for one thing by its name: what else could be wrong but that there is none?
_NAMING = frozenset({"api.unit", "api.file", "api.similar"})


def _fault(status: int, code: str, message: str, field: str | None = None) -> tuple[Response, int]:
    error = {"code": code, "message": message} | ({"field": field} if field else {})
    return jsonify({"error": error, "request_id": _request_id()}), status


def _service() -> Service:
    return service(current_app)
