"""A request's id and its line in the log. Nothing secret is written, and no query unless that is asked for."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, request

log = logging.getLogger("fathom.access")

# A caller's own id is taken when it can do no harm in a log or a header.
_SANE = re.compile(r"[!-~]{1,128}")


def install(app: Flask, log_queries: bool) -> None:
    """Give every request of an application an id, a time and a line in the log."""
    app.before_request(_begin)

    @app.after_request
    def named(response: Response) -> Response:
        response.headers["X-Request-ID"] = request_id()
        response.headers["X-Content-Type-Options"] = "nosniff"
        entry = _entry(response, log_queries)
        if response.is_streamed:
            # What is streamed is done when its last byte is: the request is gone by then, what is said of it is not.
            started = g.started
            response.call_on_close(lambda: _write(entry, started))
        else:
            _write(entry, g.started)
        return response


def request_id() -> str:
    """Return what the log and the answer call this request."""
    if "request_id" not in g:
        sent = request.headers.get("X-Request-ID", "")
        g.request_id = sent if _SANE.fullmatch(sent) else uuid.uuid4().hex
    name: str = g.request_id
    return name


def route() -> str:
    """Return the route that was asked, whatever stood in its place holders; what is none has one name."""
    return request.url_rule.rule if request.url_rule is not None else "none"


def note(**fields: Any) -> None:
    """Add fields to the request's line in the log."""
    g.setdefault("noted", {}).update(fields)


def elapsed() -> float:
    """Return the seconds since the request began."""
    return time.perf_counter() - float(g.started)


def _begin() -> None:
    g.started = time.perf_counter()


def _entry(response: Response, log_queries: bool) -> dict[str, Any]:
    noted = dict(g.get("noted", {}))
    if not log_queries:
        noted.pop("query", None)
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "id": request_id(),
        "method": request.method,
        "route": route(),
        "status": response.status_code,
        **noted,
    }


def _write(entry: dict[str, Any], started: float) -> None:
    log.info("%s", json.dumps({**entry, "ms": round(1e3 * (time.perf_counter() - started), 1)}))
