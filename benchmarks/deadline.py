"""What a language model that never answers adds to a search that asks for code: no more than the time it was given.

`python -m benchmarks.deadline --index DIR`: the server is another process, on loopback, and does not answer, or sends a
byte every few milliseconds for ever, or is not there. Each query is asked without and with a time, one after the other.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import socket
import statistics
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.batch import questions
from benchmarks.machine import write_result
from indexer.index import Index
from indexer.settings import Settings
from search.engine import Engine

_TIMES = (100, 500)
_DRIP_SECONDS = 0.005


def _serve(told: Connection, drips: bool) -> None:
    """Take connections and never end an answer."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    told.send(listening.getsockname()[1])
    open_ones: list[socket.socket] = []
    listening.settimeout(_DRIP_SECONDS)
    while True:
        with suppress(TimeoutError):
            taken, _ = listening.accept()
            taken.setblocking(False)
            open_ones.append(taken)
            if drips:
                taken.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
        for each in open_ones if drips else ():
            with suppress(OSError):
                each.send(b" ")


def measured(index: Index, settings: Settings, texts: list[str], rewrite_ms: int) -> dict[str, float]:
    """Return by how many milliseconds searches overran their time, beside the same ones without any."""
    engine = Engine(index, settings=settings)
    engine.search(texts[0])
    over = []
    for text in texts:
        engine.search(text)  # what it reads is in memory both times
        took = []
        for asked in (0, rewrite_ms):
            started = time.perf_counter()
            engine.search(text, rewrite_ms=asked)
            took.append(1e3 * (time.perf_counter() - started))
        over.append(took[1] - took[0] - rewrite_ms)
    engine.close()
    return {"p50": statistics.median(over), "p95": sorted(over)[int(0.95 * len(over))], "most": max(over)}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=60)
    arguments = parser.parse_args()
    index = Index.open(arguments.index)
    texts = questions(index, arguments.queries)
    result: dict[str, Any] = {"queries": len(texts)}
    for name, drips in (("silent", False), ("dripping", True), ("nobody there", None)):
        here, there = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, bool(drips)), daemon=True)
        port = 9
        if drips is not None:
            server.start()
            port = here.recv()
        settings = Settings(
            index=arguments.index, generator_url=f"http://127.0.0.1:{port}/v1", generator_model=f"none-{time.time_ns()}"
        )
        result[name] = {str(limit): measured(index, settings, texts, limit) for limit in _TIMES}
        if drips is not None:
            server.terminate()
    print(json.dumps(result, indent=2))
    print(f"written to {write_result('deadline', result)}")


if __name__ == "__main__":
    main()
