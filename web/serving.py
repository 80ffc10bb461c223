"""What a server of processes needs beside the application: settings looked at first, counts that add up, a log.

Imports nothing that counts: whether counts are shared is settled before that is loaded.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
from typing import Any

from indexer.settings import Settings

_COUNTS = "PROMETHEUS_MULTIPROC_DIR"
# Bytes of a request's first line, as many as gunicorn can be told: a long query fits an address.
_LINE = 8190


def check(settings: Settings) -> None:
    """Raise UsageError for settings that no application can be made of, a damaged file of keys among them."""
    from web.guard import Guard

    Guard(settings)


def share_counts() -> None:
    """Let the counts of several processes add up, in a folder that goes when this process does."""
    if os.environ.get(_COUNTS):
        return
    folder, owner = tempfile.mkdtemp(prefix="fathom-metrics-"), os.getpid()
    os.environ[_COUNTS] = folder
    # Workers end by the same way.
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)


def log_requests() -> None:
    """Write a line of JSON for each request to standard error."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("fathom.access")
    log.handlers, log.propagate = [lines], False
    log.setLevel(logging.INFO)


def gunicorn_options() -> dict[str, Any]:
    """Return the settings of gunicorn that the application counts on."""
    from web.worker import Worker

    return {"worker_class": Worker, "limit_request_line": _LINE, "child_exit": _forget}


def _forget(_server: Any, worker: Any) -> None:
    """Let the counts of a worker that has ended stand, and what it said of itself as it lived go."""
    if os.environ.get(_COUNTS):
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
