"""A generator that nobody waits for longer than they want to: what comes late is kept for the next time.

Knows no query, no index and no prompt.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

from indexer.errors import EnvironmentFailed
from indexer.generators.interface import Budget, Busy, Generation, GenerationFailed, Generator, OutOfTime, Request
from search.rewriting.cache import Exemplars

# What a generator is given, whoever still waits for it.
LONG = 60.0
# Texts that are being written; one more is refused, or a slow server would gather threads without end.
MOST_AT_ONCE = 32
_CLOSE_SECONDS = 1.0


class Waiting:
    """Asks a generator for what the cache does not hold, each text once however many wait for it.

    The generator works on, in a thread that does not keep the process alive, when the budget of who asks is over.
    `unkept` says why the latest text could not be put into the cache, "" where it could.
    """

    def __init__(self, generator: Generator, cache: Exemplars) -> None:
        self.name = generator.name
        self.unkept = ""
        self._generator, self._cache = generator, cache
        self._lock = threading.Lock()
        self._written: dict[str, Future[Generation]] = {}

    def generate(self, request: Request, budget: Budget) -> Generation:
        """Return what is cached or comes within the budget's seconds; raise GenerationFailed where nothing does."""
        deadline = time.perf_counter() + budget.seconds
        kept = self._cache.get(self.name, request.identity)
        if len(kept) >= request.count:
            return Generation(kept[: request.count], self.name, cached=True)
        begun = self._begun(request, budget.tokens)
        try:
            return begun.result(max(0.0, deadline - time.perf_counter()))
        except TimeoutError as error:
            raise OutOfTime(f"{self.name}: nothing came within {1e3 * budget.seconds:.0f} ms") from error

    def close(self) -> None:
        """Give up on what is being written, and close the generator; one that does not stop is left alone."""
        closing = threading.Thread(target=self._generator.close, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    def _begun(self, request: Request, tokens: int | None) -> Future[Generation]:
        """Return what is or will be written for a request."""
        with self._lock:
            if request.identity in self._written:
                return self._written[request.identity]
            if len(self._written) >= MOST_AT_ONCE:
                raise Busy(f"{self.name} is at work on {MOST_AT_ONCE} other queries")
            promised: Future[Generation] = Future()
            thread = threading.Thread(target=self._write, args=(request, tokens), daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise Busy(f"{self.name}: {error}") from error
            self._written[request.identity] = promised
            return promised

    def _write(self, request: Request, tokens: int | None) -> None:
        try:
            made = self._generator.generate(request, Budget(LONG, tokens))
            self._keep(request, made)
            self._end(request).set_result(made)
        except GenerationFailed as failure:
            self._end(request).set_exception(failure)
        except BaseException as error:  # noqa: BLE001 - a search goes on, whatever a generator does, and says so
            said = f"{self.name} failed: {type(error).__name__}: {error}"
            self._end(request).set_exception(GenerationFailed(said))

    def _keep(self, request: Request, made: Generation) -> None:
        try:
            self._cache.put(self.name, request.identity, made.texts)
            self.unkept = ""
        except EnvironmentFailed as error:
            self.unkept = str(error)

    def _end(self, request: Request) -> Future[Generation]:
        with self._lock:
            return self._written.pop(request.identity)
