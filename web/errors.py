"""The one shape of an error, and which error is which status. Tells nobody where files lie or what failed inside."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from pydantic import BaseModel, ConfigDict, ValidationError
from werkzeug.exceptions import HTTPException

from indexer.errors import (
    FathomError,
    GeneratorMissing,
    IndexBuilding,
    IndexDamaged,
    IndexIncompatible,
    IndexMissing,
    ModelDamaged,
    QueryError,
    UsageError,
)
from web.trace import request_id

# Characters of a field's name that are repeated to who sent it.
_FIELD = 100
# Seconds after which who found no index may ask again.
_RETRY = 5
# What the index's own errors say may name folders; these words do not.
_UNAVAILABLE: dict[type[FathomError], str] = {
    IndexMissing: "there is no index yet",
    IndexBuilding: "the index is being built; ask again in a moment",
    IndexDamaged: "the index is damaged; its owner can repair it",
    IndexIncompatible: "the index was made by another version or another model",
    ModelDamaged: "the encoder's model is damaged or not there",
}
# Of a body that is refused so much is taken in, and for so long.
_PIECE = 1 << 16
_HEARD_PIECES = 512
_HEARD_SECONDS = 5.0
# These are asked for one thing by its name: what else could be wrong but that there is none?
_NAMING = frozenset({"api.unit", "api.file", "api.similar"})
_MACHINES = ("/healthz", "/readyz", "/metrics", "/api")


class Fault(BaseModel):
    """What was wrong: `code` is for programs, `message` for people, `field` names what was sent wrong."""

    model_config = ConfigDict(extra="forbid")

    code: str
    message: str
    field: str | None = None


class ErrorAnswer(BaseModel):
    """Every error of the API."""

    model_config = ConfigDict(extra="forbid")

    error: Fault
    request_id: str


class Refused(Exception):
    """A request that is not answered, with the status, the code and the headers that say why."""

    def __init__(
        self, status: int, code: str, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.field, self.headers = field, dict(headers or {})


def install(app: Flask) -> None:
    """Let an application answer those it refuses, and programs that ask for what is not there."""
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(HTTPException, http)
    app.after_request(_heard_out)


def answer_in(routes: Blueprint) -> None:
    """Let routes for programs answer every error in the one shape."""
    routes.register_error_handler(Refused, _refused)
    routes.register_error_handler(FathomError, _failed)
    routes.register_error_handler(ValidationError, _invalid)
    routes.register_error_handler(Exception, _unforeseen)


def for_machines() -> bool:
    """Tell whether the request is a program's, not one for a page."""
    first = "/" + request.path.split("/", 2)[1]
    return first in _MACHINES


def words(error: FathomError) -> tuple[int, str, str]:
    """Return the status, the code and the message of an error that was raised on purpose."""
    if isinstance(error, QueryError):
        return 400, "bad_query", str(error)
    if isinstance(error, GeneratorMissing):
        return 400, "generator_missing", str(error)
    if isinstance(error, UsageError):
        kind = (404, "not_found") if request.endpoint in _NAMING else (400, "invalid_request")
        return *kind, str(error)
    if not isinstance(error, IndexMissing):
        current_app.logger.warning("request %s: %s", request_id(), error)
    return 503, "index_unavailable", _UNAVAILABLE.get(type(error), "the index cannot be read now")


def invalid(error: ValidationError) -> tuple[str, str | None]:
    """Return the first fault of fields that were sent, and the field."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return first["msg"], ".".join(map(str, first["loc"]))[:_FIELD] or None


def fault(status: int, code: str, message: str, field: str | None = None) -> Response:
    """Return an error in the one shape."""
    body = ErrorAnswer(error=Fault(code=code, message=message, field=field), request_id=request_id())
    response = jsonify(body.model_dump(exclude_none=True))
    response.status_code = status
    if status == 503:
        response.headers["Retry-After"] = str(_RETRY)
    return response


def _heard_out(response: Response) -> Response:
    """Take in what is still being sent to us: who finds the connection broken reads no answer."""
    # Only a server that knows where the body ends can be asked for the rest of it.
    if response.status_code < 400 or not request.environ.get("wsgi.input_terminated"):
        return response
    connection: socket.socket | None = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(_HEARD_SECONDS)
    body, until = request.environ["wsgi.input"], time.monotonic() + _HEARD_SECONDS
    # Whatever breaks while it is thrown away, the answer stands.
    with suppress(Exception):
        for _ in range(_HEARD_PIECES):
            if time.monotonic() > until or not body.read(_PIECE):
                break
    return response


def _refused(error: Refused) -> Response:
    if for_machines():
        response = fault(error.status, error.code, error.message, error.field)
    else:
        response = Response(f"{error.message}\n", error.status, mimetype="text/plain")
    response.headers.update(error.headers)
    return response


def _failed(error: FathomError) -> Response:
    return fault(*words(error))


def _invalid(error: ValidationError) -> Response:
    message, field = invalid(error)
    return fault(400, "invalid_request", message, field)


def http(error: HTTPException) -> Response | HTTPException:
    """Return an error of HTTP in the one shape to programs, as it is to browsers."""
    if not for_machines() or (error.code or 500) < 400:
        return error
    name = (error.name or "error").lower().replace(" ", "_")
    response = fault(error.code or 500, name, error.description or name)
    kept = [(key, value) for key, value in error.get_headers() if key not in ("Content-Type", "Content-Length")]
    response.headers.extend(kept)
    return response


def _unforeseen(error: Exception) -> Response | HTTPException:
    if isinstance(error, HTTPException):
        return http(error)
    current_app.logger.error("request %s failed", request_id(), exc_info=error)
    return fault(500, "internal_error", "this is a fault of ours; the log has it under the request's id")
