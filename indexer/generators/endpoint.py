"""Generations from any chat server that speaks OpenAI's protocol: vLLM, Ollama, llama.cpp, hosted ones.

One request, one deadline: whatever the server does, `generate` returns or raises when it is over. What is sent and how
a response is read stand in `chat`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib.util
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from indexer.errors import UsageError
from indexer.generators import prompts
from indexer.generators.chat import Reply, Server, body_of, read_response
from indexer.generators.interface import Budget, Generation, GenerationFailed, OutOfTime, Request, Unreachable, Unusable
from indexer.generators.replies import read_reply
from indexer.generators.retrying import pause_before

if TYPE_CHECKING:
    import httpx

_T = TypeVar("_T")

# Requests to a server at a time; more wait, and their deadlines run.
CONCURRENCY = 4
# Seconds for a connection, and without a byte: a server may think for long before its first one.
CONNECT_SECONDS, READ_SECONDS = 5.0, 120.0
# Bytes of a response that are read: a reply has some thousands.
MAX_BODY = 4 << 20
# How long the waiting side waits beyond the deadline for the other thread to say so itself.
_GRACE = 0.005
_CLOSE_SECONDS = 5.0


class Endpoint:
    """A generator that asks a server; safe to share between threads, to be closed.

    Works on one thread of its own, begun at the first request (and begun anew in a forked process).
    """

    def __init__(self, server: Server, *, concurrency: int = CONCURRENCY, attempts: int = 3) -> None:
        if concurrency < 1 or attempts < 1:
            raise UsageError(f"{concurrency} requests at a time and {attempts} attempts: both must be at least 1")
        if importlib.util.find_spec("httpx") is None:
            raise UsageError("a generator on a server needs the extra `generators`: "
                             "pip install 'fathom-search[generators]'")  # fmt: skip
        self.name = f"{server.model} (prompts {prompts.VERSION})"
        self._server = server
        self._concurrency, self._attempts = concurrency, attempts
        self._line: _Line | None = None
        self._lock = threading.Lock()

    def generate(self, request: Request, budget: Budget) -> Generation:
        """Return the texts that came within the budget; raise GenerationFailed, by its kind, where none did."""
        begun = time.perf_counter()
        deadline = begun + budget.seconds
        came: list[Reply] = []
        try:
            self._opened().run(lambda line: self._asked(line, request, budget, deadline, came), deadline)
        except GenerationFailed:
            if not came:
                raise
        replies = tuple(came)
        texts = tuple(filter(None, (read_reply(reply.text, request) for reply in replies)))
        if not texts:
            raise Unusable(f"{self._server.place}: the reply holds no {request.task.value}")
        return Generation(
            texts=texts,
            source=self.name,
            seconds=time.perf_counter() - begun,
            tokens_in=_total([reply.tokens_in for reply in replies]),
            tokens_out=_total([reply.tokens_out for reply in replies]),
        )

    def close(self) -> None:
        """Give up on what is being asked, and close the connections."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.close()

    def _opened(self) -> _Line:
        with self._lock:
            if self._line is None or not self._line.alive:
                self._line = _Line(self._server, self._concurrency)
            return self._line

    async def _asked(self, line: _Line, request: Request, budget: Budget, deadline: float, came: list[Reply]) -> None:
        """Add the replies that come in time to `came`, of as many requests as texts are wanted."""
        body = body_of(self._server, request, budget)
        tasks = [asyncio.ensure_future(self._tried(line, body, deadline, came)) for _ in range(request.count)]
        try:
            done, late = await asyncio.wait(tasks, timeout=deadline - time.perf_counter())
        finally:
            for task in tasks:
                task.cancel()
        for failure in filter(None, (task.exception() for task in done)):
            raise failure
        if late:
            raise OutOfTime(f"{self._server.place} took longer than {budget.seconds:g} s")

    async def _tried(self, line: _Line, body: dict[str, Any], deadline: float, came: list[Reply]) -> None:
        """Ask, and ask again where that may help and there is time."""
        for attempt in range(1, self._attempts + 1):
            try:
                came.append(await line.ask(body))
                return
            except GenerationFailed as failure:
                pause = pause_before(attempt, failure)
                if pause is None or attempt == self._attempts or time.perf_counter() + pause >= deadline:
                    raise
            await asyncio.sleep(pause)


class _Line:
    """A thread with an event loop and the connections to one server."""

    def __init__(self, server: Server, concurrency: int) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._slots = asyncio.Semaphore(concurrency)
        self._http: httpx.AsyncClient | None = None
        self._thread = threading.Thread(target=self._work, name="fathom-generator", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is there: a forked process has none."""
        return self._thread.is_alive()

    def run(self, work: Callable[[_Line], Coroutine[Any, Any, _T]], deadline: float) -> _T:
        """Return what the work returns, or raise OutOfTime when the deadline is over, whatever the thread does."""
        future = asyncio.run_coroutine_threadsafe(work(self), self._loop)
        try:
            return future.result(max(0.0, deadline - time.perf_counter()) + _GRACE)
        except concurrent.futures.TimeoutError as error:
            future.cancel()
            raise OutOfTime(f"{self._server.place} did not answer in time") from error
        except concurrent.futures.CancelledError as error:
            raise Unreachable("the generator was closed while it was asked") from error

    async def ask(self, body: dict[str, Any]) -> Reply:
        """Send one request and return its reply; raise GenerationFailed for whatever else comes."""
        import httpx

        place = self._server.place
        async with self._slots:
            try:
                async with self._client().stream("POST", "chat/completions", json=body) as response:
                    content = await _bounded(response, place)
            except httpx.TimeoutException as error:
                raise Unreachable(f"{place} does not answer ({type(error).__name__})") from error
            except httpx.DecodingError as error:
                raise Unusable(f"{place} sent a damaged response") from error
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                raise Unreachable(f"{place} cannot be reached: {_words(error)}") from error
        return read_response(self._server, response.status_code, response.headers, content)

    def close(self) -> None:
        """End the thread; what waits for it is told so."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS)

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._ended())
            self._loop.close()

    async def _ended(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    def _client(self) -> httpx.AsyncClient:
        import httpx

        if self._http is None:
            key = self._server.key
            self._http = httpx.AsyncClient(
                base_url=self._server.url.rstrip("/") + "/",
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            )
        return self._http


async def _bounded(response: httpx.Response, place: str) -> bytes:
    """Return a body, or raise Unusable for one without an end."""
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MAX_BODY:
            raise Unusable(f"{place} sends more than {MAX_BODY} bytes")
    return bytes(content)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
