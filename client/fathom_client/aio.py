"""The client for programs that do not wait: the same methods, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, TypeVar

import httpx

from fathom_client import wire
from fathom_client.client import TIMEOUT, connection
from fathom_client.errors import FathomError
from fathom_client.retrying import Retries
from fathom_client.types import Answer, Failure, File, Mode, Query, Status, Suggestion, Unit

_T = TypeVar("_T")
Queries = Iterable[str | Query | Mapping[str, Any]] | AsyncIterable[str | Query | Mapping[str, Any]]


class AsyncClient:
    """Asks a Fathom server from one event loop. Every method raises FathomError.

    `timeout` is the seconds without a byte after which a server is given up on. To be closed, or used in
    `async with`.
    """

    def __init__(
        self,
        url: str = wire.DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(**connection(url, api_key, timeout, transport))
        self._retries = retries or Retries()

    async def search(
        self,
        query: str,
        k: int = 10,
        *,
        offset: int = 0,
        mode: Mode = "hybrid",
        rank: bool = True,
        budget: int | None = None,
        neighbours: bool = False,
    ) -> Answer:
        """Return hits `offset` to `offset` + `k`; with a `budget` of tokens also a context made of them.

        `neighbours` fills the context up with the heads of classes and the units that follow the hits.
        """
        return await self._ask(wire.search(query, k, offset, mode, rank, budget, neighbours))

    async def similar(self, unit_id: str, k: int = 10) -> Answer:
        """Return the units most like one; raise NotFound for an id that the index does not have."""
        return await self._ask(wire.similar(unit_id, k))

    async def unit(self, unit_id: str) -> Unit:
        """Return a unit; raise NotFound for an id that the index does not have."""
        return await self._ask(wire.unit(unit_id))

    async def file(self, repository: str, path: str) -> File:
        """Return a file as far as the index holds it; raise NotFound for one that it does not have."""
        return await self._ask(wire.file(repository, path))

    async def status(self) -> Status:
        """Return what the index holds."""
        return await self._ask(wire.status())

    async def suggest(self, prefix: str, limit: int = 8) -> tuple[Suggestion, ...]:
        """Return symbols and paths that begin with, or have a part that begins with, what was typed."""
        return await self._ask(wire.suggest(prefix, limit))

    async def batch(self, queries: Queries) -> AsyncGenerator[Answer | Failure, None]:
        """Yield the answer to each query in order, a Failure in the place of one that cannot be given.

        Queries, of a generator of either kind, are taken as they are needed, and sent many at once. After a lost
        connection only those without an answer are asked again.
        """
        gathering = wire.Gathering()
        async for query in _each(queries):
            if (exchange := gathering.add(query)) is not None:
                async with aclosing(self._exchange(exchange)) as answers:
                    async for answer in answers:
                        yield answer
        if (exchange := gathering.rest()) is not None:
            async with aclosing(self._exchange(exchange)) as answers:
                async for answer in answers:
                    yield answer

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, call: wire.Call[_T]) -> _T:
        tried = 0
        while True:
            tried += 1
            try:
                return call.read(await self._http.request(call.method, call.path, params=call.params, json=call.fields))
            except httpx.HTTPError as error:
                failure = wire.failed(error)
            except FathomError as error:
                failure = error
            await self._wait(failure, tried)

    async def _exchange(self, exchange: wire.Exchange) -> AsyncGenerator[Answer | Failure, None]:
        while True:
            try:
                async with aclosing(self._received(exchange)) as answers:
                    async for answer in answers:
                        yield answer
                return
            except httpx.HTTPError as error:
                failure = wire.failed(error)
            except FathomError as error:
                failure = error
            await self._wait(failure, exchange.tried)

    async def _received(self, exchange: wire.Exchange) -> AsyncGenerator[Answer | Failure, None]:
        body = exchange.body()
        async with self._http.stream("POST", exchange.path, content=body, headers=exchange.headers) as response:
            if not response.is_success:
                await response.aread()
                raise wire.refused(response)
            async for piece in response.aiter_bytes():
                for answer in exchange.feed(piece):
                    yield answer
            exchange.end()

    async def _wait(self, failure: FathomError, tried: int) -> None:
        """Wait before the next try, or raise what made the last one fail."""
        pause = self._retries.pause(failure, tried)
        if pause is None:
            raise failure
        await asyncio.sleep(pause)


async def _each(queries: Queries) -> AsyncIterator[str | Query | Mapping[str, Any]]:
    if isinstance(queries, AsyncIterable):
        async for query in queries:
            yield query
    else:
        for query in queries:
            yield query
