"""What gunicorn answers by itself, to what is no request or too long a one, in the API's one shape of an error.

Nothing of the application is asked here: it has not seen the request.
"""

from __future__ import annotations

import socket
import time
import uuid
from contextlib import suppress
from typing import Any

from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from web.errors import ErrorAnswer, Fault

# Status, its name, the error's code, and what is said; whatever else cannot be read is a bad request.
_BAD = (400, "Bad Request", "bad_request", "this is no HTTP request that can be read")
_ANSWERS: dict[type[Exception], tuple[int, str, str, str]] = {
    errors.LimitRequestLine: (
        414,
        "URI Too Long",
        "uri_too_long",
        "the address is too long; send long queries in the body of a POST",
    ),
    errors.LimitRequestHeaders: (
        431,
        "Request Header Fields Too Large",
        "header_fields_too_large",
        "there are too many header fields, or too long ones",
    ),
    errors.ExpectationFailed: (417, "Expectation Failed", "expectation_failed", "only 100-continue can be expected"),
    errors.UnsupportedTransferCoding: (501, "Not Implemented", "not_implemented", "this transfer coding is not known"),
}
# What is still being sent is taken in, so much and for so long: who finds the connection broken reads no answer.
_HEARD_BYTES = 4 << 20
_HEARD_SECONDS = 2.0


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker of threads."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer a request that could not be read."""
        if not isinstance(exc, errors.ParseException) or isinstance(exc, errors.ConfigurationProblem):
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("a request that cannot be read: %s", type(exc).__name__)
        with suppress(OSError):  # who went away reads no answer
            client.sendall(_answer(*_ANSWERS.get(type(exc), _BAD)))
            _hear_out(client)


def _answer(status: int, reason: str, code: str, message: str) -> bytes:
    named = uuid.uuid4().hex
    body = ErrorAnswer(error=Fault(code=code, message=message), request_id=named).model_dump_json(exclude_none=True)
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-ID: {named}\r\nX-Content-Type-Options: nosniff\r\n\r\n"
    )
    return (head + body).encode("ascii")


def _hear_out(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    until, heard = time.monotonic() + _HEARD_SECONDS, 0
    while heard < _HEARD_BYTES and (left := until - time.monotonic()) > 0:
        client.settimeout(left)
        piece = client.recv(1 << 16)
        if not piece:
            return
        heard += len(piece)
