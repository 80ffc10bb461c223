"""A batch over HTTP: lines in, lines out, answered while they arrive."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import Any

from flask import Response, current_app, request, stream_with_context
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream

from indexer.errors import FathomError
from search.batch import MAX_LINE, fault
from search.service import Service
from web.errors import words
from web.fields import check_content
from web.lines import Lines, buffered
from web.metrics import metrics
from web.operations import NDJSON
from web.service import service

_TYPES = frozenset({NDJSON, "application/ndjson", "application/jsonl", "application/json"})
# Seconds without a byte, in either direction, after which a caller is taken to be gone.
_PATIENCE = 60.0

_Answering = Callable[[Iterable[Any]], Iterator[dict[str, Any]]]


def answered() -> Response:
    """Return the answers to the request's lines; raise FathomError when there is no index to ask."""
    check_content(_TYPES)
    held = service(current_app)
    held.generation()  # an index that is not there is one error, not one a line
    # The server ends the body; how long it is does not matter, as it is never held.
    lines = Lines(buffered(get_input_stream(request.environ)), _interruption())
    count = metrics(current_app).batch_queries
    return Response(stream_with_context(_written(held, lines, count)), mimetype=NDJSON)


def _written(held: Service, lines: Lines, count: Any) -> Iterator[str]:
    for answer in _answers(held, lines):
        count.labels("error" if "error" in answer else "answer").inc()
        yield json.dumps(answer, ensure_ascii=False) + "\n"


def _answers(held: Service, lines: Lines) -> Iterator[dict[str, Any]]:
    try:
        for chunk in lines:
            for missing, some in groupby(chunk, lambda line: line is None):
                answer: _Answering = _too_long if missing else held.batch
                yield from answer(some)
    except TimeoutError:
        yield fault(None, "request_timeout", f"nothing came for {_PATIENCE:.0f} s")
    except FathomError as error:
        # The first answers are sent: what is wrong now can only be said in place of the next.
        yield fault(None, *words(error)[1:])
    except (ClientDisconnected, OSError):
        return


def _too_long(lines: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for _ in lines:
        yield fault(None, "invalid_request", f"the line is longer than {MAX_LINE} bytes")


def _interruption() -> Callable[[], None]:
    """Return what ends a read of the request's body that waits for more; nobody waits on a caller for ever."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(_PATIENCE)

    def interrupt() -> None:
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    return interrupt
