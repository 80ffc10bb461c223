"""The watcher that `fathom serve --watch` runs beside its workers, and what begins another when it ends too soon.

How files are watched is the indexer's; here is only how its process lives and dies. The server holds one end of a
socket over which nothing is ever sent, these processes have the other as standard input: it ends when the server
does, however that went.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # what keeps a watcher alive needs none of what it needs
    from indexer.settings import Settings

# Seconds between two starts, doubled each time up to the most; a watcher that lasted longer counts as the first.
_PAUSE = 1.0
_MOST_PAUSE = 60.0
# So long, in seconds, a watcher may take to come to an end by itself.
_GRACE = 3.0
# Below the workers': a question is answered before a file is read.
_NICE = 10


class Watcher:
    """The watching that belongs to a server."""

    def __init__(self, settings: Settings, folders: Sequence[str], *, quiet: bool) -> None:
        """Prepare; `folders` are absolute."""
        from indexer.settings import secrets

        paths = {"index": settings.index.absolute(), "cache": settings.cache.absolute()}
        if settings.model is not None:
            paths["model"] = settings.model.absolute()
        if settings.trust_remote_code is not None:
            paths["trust_remote_code"] = settings.trust_remote_code.absolute()
        if settings.elasticsearch_ca is not None:
            paths["elasticsearch_ca"] = settings.elasticsearch_ca.absolute()
        # Secrets are written nowhere: the watcher finds them where this process did.
        told = settings.model_copy(update=paths).model_dump_json(exclude=secrets())
        said = ["--quiet"] if quiet else []
        self._command = [sys.executable, "-m", "cli.watcher", "--keep", *said, told, *folders]
        self._ours: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start watching; before the server forks, so that nothing of the start is left open in a worker."""
        self._ours, theirs = socket.socketpair()
        root = Path(__file__).resolve().parents[1]
        with theirs:
            # In a session of its own: interrupting the server at its terminal interrupts no writing.
            self._process = subprocess.Popen(self._command, stdin=theirs.fileno(), cwd=root, start_new_session=True)

    def stop(self) -> None:
        """End watching, by force if it does not end by itself."""
        if self._ours is None or self._process is None:
            return
        self._ours.close()
        try:
            self._process.wait(_GRACE + 2)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def forget(self) -> None:
        """Close what a forked worker has of the socket, so that only the server's own life counts."""
        if self._ours is not None:
            self._ours.close()


@click.command()
@click.option("--keep", is_flag=True)
@click.option("--quiet", is_flag=True)
@click.argument("told")
@click.argument("folders", nargs=-1)
def main(keep: bool, quiet: bool, told: str, folders: tuple[str, ...]) -> None:
    """Watch until standard input ends, with the settings that are told as JSON."""
    if keep:
        _keep([each for each in sys.argv if each != "--keep"])
    else:
        sys.exit(_watch(told, folders, quiet=quiet))


def _keep(arguments: Sequence[str]) -> None:
    """Run a watcher, and another whenever one has ended, until standard input does."""
    pause = _PAUSE
    while True:
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "cli.watcher", *arguments[1:]], check=False)
        if _ended(0):
            return
        pause = _PAUSE if time.monotonic() - began > _MOST_PAUSE else pause
        click.echo(f"watching ended; it begins again in {pause:g} s, answers are given all the while", err=True)
        if _ended(pause):
            return
        pause = min(2 * pause, _MOST_PAUSE)


def _ended(seconds: float) -> bool:
    """Tell whether standard input ends within so many seconds."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def _watch(told: str, folders: Sequence[str], *, quiet: bool) -> int:
    """Watch until standard input ends; return an exit code."""
    from cli.index import opened, said_of
    from indexer.errors import FathomError
    from indexer.index import load_encoder
    from indexer.settings import Settings
    from indexer.watch import watch

    stop, ended = threading.Event(), threading.Event()
    threading.Thread(target=_end_with_server, args=(stop, ended), daemon=True).start()
    os.nice(_NICE)
    settings = Settings.model_validate_json(told)
    try:
        for summary in watch(settings.index, opened(settings, folders), settings, load_encoder(settings), stop=stop):
            if not quiet:
                click.echo(said_of(summary), err=True)
    except FathomError as error:
        click.echo(f"fathom: {error}", err=True)
        return error.exit_code
    finally:
        ended.set()
    return 0


def _end_with_server(stop: threading.Event, ended: threading.Event) -> None:
    """Stop when standard input ends: by itself within the grace, else at once. A kill loses nothing of an index."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    stop.set()
    if not ended.wait(_GRACE):
        os._exit(1)


if __name__ == "__main__":
    main()
