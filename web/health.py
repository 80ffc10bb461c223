"""What those ask who keep a server running: does it live, can it answer, how is it doing."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify

from indexer.errors import FathomError
from web.errors import answer_in, fault, words
from web.metrics import page
from web.service import service
from web.transfer import packed

health = Blueprint("health", __name__)
health.after_request(packed)
answer_in(health)


@health.get("/healthz")
def alive() -> Response:
    """Say that the process answers."""
    return jsonify({"status": "ok"})


@health.get("/readyz")
def ready() -> Response:
    """Say whether there is an index to search."""
    try:
        return jsonify({"status": "ok", "generation": service(current_app).generation()})
    except FathomError as error:
        return fault(503, "not_ready", words(error)[2])


@health.get("/metrics")
def metrics() -> Response:
    """Return counts and times."""
    return page()
