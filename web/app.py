"""The application: the pages and the JSON API over one index."""

from __future__ import annotations

from flask import Flask

from indexer.encoder.interface import Encoder
from indexer.index import Index
from indexer.settings import Settings
from search.service import Service
from web import errors, guard, metrics, trace
from web.api import api
from web.health import health
from web.pages import pages
from web.service import attach

# Bytes of one request's body: the longest query fits, however it is escaped.
_MAX_BODY = 1 << 21


def create_app(settings: Settings, index: Index | None = None, encoder: Encoder | None = None) -> Flask:
    """Return the application on the settings' index, or on one that is open; the index may come later.

    Raises UsageError for settings that cannot be, a damaged file of keys among them.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False  # an address that is wrong is told so, not led elsewhere
    attach(app, Service(settings, index, encoder))
    # What is installed first is asked first before a request, and last after it: its log line tells what was sent.
    trace.install(app, settings.log_queries)
    metrics.install(app)
    guard.install(app, settings)
    app.register_blueprint(api, url_prefix="/api/v1")
    app.register_blueprint(health)
    app.register_blueprint(pages)
    errors.install(app)
    return app
