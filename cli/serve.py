"""`fathom serve`: the search page and the JSON API."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import click

from cli.options import settings, shared
from indexer.errors import EnvironmentFailed, UsageError

# Requests that one worker answers at once: searching frees the interpreter most of the time.
_THREADS = 8


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@shared
def command(host: str, port: int, workers: int, folder: Path | None, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Serve the search page and the JSON API until stopped; new generations of the index are picked up."""
    del as_json
    try:
        from gunicorn.app.base import BaseApplication

        from web.app import create_app
        from web.service import service
    except ImportError as error:
        raise UsageError(f"serving needs the extra `web` ({error}): pip install 'fathom-search[web]'") from error
    from indexer.index import Index

    chosen = settings(folder)
    Index.open(chosen.index).close()
    listening = _bound(host, port)

    class Served(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            self.cfg.set("bind", f"fd://{listening.fileno()}")
            self.cfg.set("workers", workers)
            self.cfg.set("worker_class", "gthread")
            self.cfg.set("threads", _THREADS)
            self.cfg.set("loglevel", "info" if verbose else "warning")

        def load(self) -> Any:
            app = create_app(chosen)
            _ = service(app).engine  # the model is loaded before the first question
            return app

    if not quiet:
        name = f"[{host}]" if ":" in host else host
        click.echo(f"http://{name}:{listening.getsockname()[1]}/ (stop with ctrl-c)", err=True)
    Served().run()


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise EnvironmentFailed where the address cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise EnvironmentFailed(f"{host}:{port} cannot be listened on: {error.strerror or error}") from error
    found.set_inheritable(True)
    return found
