"""A batch answered by several processes, each with the index open: much of a query's time holds the interpreter.

Answers come in the order of their lines, and memory does not grow with the number of lines.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Any

from indexer.batching import batched
from indexer.errors import EnvironmentFailed
from indexer.index import load_encoder
from indexer.settings import Settings
from search.engine import BATCH
from search.service import Service

# Below so many lines starting processes costs more than it brings.
WORTH_IT = 4 * BATCH
# Batches that wait for each process: none stands idle, and few answers are held.
_WAITING = 2

_Answers = list[dict[str, Any]]
_service: Service | None = None


def batch(
    settings: Settings, lines: Iterable[str | bytes], defaults: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield what `Service.batch` yields, with the settings' number of processes where there is enough to do.

    Raise at once where there is no index, and EnvironmentFailed where a process was killed.
    """
    service = Service(settings)
    service.generation()
    rest = (line for line in lines if line.strip())
    first = list(islice(rest, WORTH_IT))
    if settings.processes == 1 or len(first) < WORTH_IT:
        return service.batch(chain(first, rest), defaults)
    return _spread(settings, batched(chain(first, rest), BATCH), defaults)


def _spread(
    settings: Settings, chunks: Iterator[list[str | bytes]], defaults: Mapping[str, Any] | None
) -> Iterator[dict[str, Any]]:
    # A fork would share the locks of whatever threads run here.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(settings.processes, fresh, _open, (settings,)) as pool:
        waiting: deque[Future[_Answers]] = deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_answers, chunk, defaults))
                if len(waiting) > _WAITING * settings.processes:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool as error:
            raise EnvironmentFailed("a process that answered was killed; is there too little memory?") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _open(settings: Settings) -> None:
    """Open the index in a process of the pool, with an encoder on one thread."""
    global _service
    _service = Service(settings, encoder=load_encoder(settings, 1))


def _answers(chunk: list[str | bytes], defaults: Mapping[str, Any] | None) -> _Answers:
    assert _service is not None
    return list(_service.batch(chunk, defaults))
