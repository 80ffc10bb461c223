"""`fathom serve`: the search page and the JSON API."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.listening import bound, said
from cli.options import modelled, settings, shared
from cli.watcher import Watcher
from indexer.errors import EnvironmentFailed, FathomError, IndexDamaged, IndexMissing, UsageError

if TYPE_CHECKING:
    from flask import Flask

    from indexer.settings import Settings

# Requests that one worker answers at once: searching frees the interpreter most of the time.
_THREADS = 8

# One process is held by the interpreter's lock before two cores are busy; each takes some 250 MB.
_WORKERS = min(4, os.cpu_count() or 1)


@click.command("serve")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--watch", is_flag=True, help="Index these folders, and take up what is saved in them from then on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes; one a core and four at most by default.")
@modelled
@shared
def command(
    sources: tuple[str, ...],
    watch: bool,
    host: str,
    port: int,
    workers: int | None,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Serve the search page and the JSON API until stopped; new generations of the index are picked up.

    With --watch the index is made if there is none, and kept up to date by a process of its own: pages and answers
    are there at once, and say how far it is.
    """
    del as_json
    if bool(sources) != watch:
        raise UsageError("--watch and folders go together: fathom serve --watch FOLDER...")
    chosen = settings(folder)
    watcher = _watcher(chosen, sources, quiet=quiet) if watch else None
    _look(chosen, may_come=watch)
    listening = bound(host, port)
    if not quiet:
        click.echo(f"{said(host, listening)}/ (stop with ctrl-c)", err=True)
    server = _server(chosen, listening, workers or _WORKERS, watcher, verbose=verbose)
    try:
        if watcher is not None:
            watcher.start()
        server.run()
    finally:
        if watcher is not None:
            watcher.stop()


def _watcher(chosen: Settings, sources: Sequence[str], *, quiet: bool) -> Watcher:
    """Return what will watch the folders; raise UsageError for a source that is none."""
    from cli.index import opened
    from indexer.watch import watched

    return Watcher(chosen, [str(root) for root in watched(opened(chosen, sources))], quiet=quiet)


def _look(chosen: Settings, *, may_come: bool) -> None:
    """Raise the error of an index that cannot be served; one that is watched may be missing, and is repaired."""
    from indexer.encoder.factory import identify
    from indexer.index import Index
    from indexer.store.manifest import refuse_other_model

    model, coming = identify(chosen.model), (IndexMissing, IndexDamaged) if may_come else ()
    # Closed before workers are forked: no connection goes with them.
    with suppress(*coming), closing(Index.open(chosen.index, chosen)) as index, index.view() as view:
        refuse_other_model(view.manifest, *model, index.place)
    _try(chosen)


def _try(chosen: Settings) -> None:
    """Load another model than the shipped one once, and raise what is wrong with it, before workers are begun.

    In a process of its own: the threads that a library begins would not be there in the workers that are forked.
    """
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    if chosen.model is None:
        return
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(_load, chosen).result()
    except BrokenProcessPool as error:
        raise EnvironmentFailed(f"loading the model {chosen.model} was killed; is there too little memory?") from error


def _load(chosen: Settings) -> None:
    from indexer.index import load_encoder

    load_encoder(chosen)


def _server(chosen: Settings, listening: socket.socket, workers: int, watcher: Watcher | None, *, verbose: bool) -> Any:
    """Return the server; raise UsageError for settings that cannot be, and where packages are not installed."""
    try:
        from gunicorn.app.base import BaseApplication

        from web import serving

        if workers > 1:
            serving.share_counts()
        serving.check(chosen)
        import web.app  # noqa: F401  (read once, before workers are forked)
    except ImportError as error:
        raise UsageError(f"serving needs the extra `web` ({error}): pip install 'fathom-search[web]'") from error
    options = serving.gunicorn_options() | {"bind": f"fd://{listening.fileno()}", "workers": workers}
    options |= {"threads": _THREADS, "loglevel": "info" if verbose else "warning"}
    if watcher is not None:
        options["post_fork"] = lambda _server, _worker: watcher.forget()

    class Served(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in options.items():
                self.cfg.set(name, value)

        def load(self) -> Flask:
            return _application(chosen, verbose=verbose)

    return Served()


def _application(chosen: Settings, *, verbose: bool) -> Flask:
    """Return what a worker answers with, ready for its first question."""
    from indexer.index import load_encoder
    from web.app import create_app
    from web.pages import warm
    from web.serving import log_requests

    if verbose:
        log_requests()
    app = create_app(chosen, encoder=load_encoder(chosen))
    with suppress(FathomError):  # what it is, is said to whoever asks
        warm(app)
    return app
