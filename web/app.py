"""The application: the pages and the JSON API over one index."""

from __future__ import annotations

from flask import Flask

from indexer.encoder.interface import Encoder
from indexer.index import Index
from indexer.settings import Settings
from search.service import Service
from web.api import api, health
from web.pages import pages
from web.service import attach

# Bytes of one request's body.
_MAX_BODY = 1 << 20


def create_app(settings: Settings, index: Index | None = None, encoder: Encoder | None = None) -> Flask:
    """Return the application on the settings' index, or on one that is open; the index may come later."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]
    attach(app, Service(settings, index, encoder))
    app.register_blueprint(api, url_prefix="/api/v1")
    app.register_blueprint(health)
    app.register_blueprint(pages)
    return app
