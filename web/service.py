"""The service that an application holds."""

from __future__ import annotations

from flask import Flask

from search.service import Service

# Under this name an application holds its service.
_EXTENSION = "fathom"


def attach(app: Flask, held: Service) -> None:
    """Give an application its service."""
    app.extensions[_EXTENSION] = held


def service(app: Flask) -> Service:
    """Return the service of an application."""
    found: Service = app.extensions[_EXTENSION]
    return found
