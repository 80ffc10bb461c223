"""The client: methods that wait for their answers."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, TypeVar

import httpx

from fathom_client import wire
from fathom_client.errors import FathomError
from fathom_client.retrying import Retries
from fathom_client.types import Answer, Failure, File, Mode, Query, Status, Suggestion, Unit

_T = TypeVar("_T")

# Seconds to wait for an answer, and for a connection.
TIMEOUT = 30.0
CONNECT_TIMEOUT = 5.0


def connection(
    url: str, api_key: str | None, timeout: float, transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None
) -> dict[str, Any]:
    """Return the settings of an httpx client of either kind; raise ValueError for a wrong address or key."""
    return {
        "base_url": wire.address(url),
        "headers": wire.headers(api_key, _version()),
        "timeout": httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
        "transport": transport,
        "verify": _certificates(),
    }


@cache
def _certificates() -> ssl.SSLContext:
    """Return what tells servers by; made once, as it takes longer than a search."""
    return httpx.create_ssl_context()


def _version() -> str:
    try:
        return version("fathom-client")
    except PackageNotFoundError:  # run from its source
        return "0"


class Client:
    """Asks a Fathom server; safe to share between threads. Every method raises FathomError.

    `timeout` is the seconds without a byte after which a server is given up on. To be closed, or used in a `with`.
    """

    def __init__(
        self,
        url: str = wire.DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(**connection(url, api_key, timeout, transport))
        self._retries = retries or Retries()

    def search(
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
        return self._ask(wire.search(query, k, offset, mode, rank, budget, neighbours))

    def similar(self, unit_id: str, k: int = 10) -> Answer:
        """Return the units most like one; raise NotFound for an id that the index does not have."""
        return self._ask(wire.similar(unit_id, k))

    def unit(self, unit_id: str) -> Unit:
        """Return a unit; raise NotFound for an id that the index does not have."""
        return self._ask(wire.unit(unit_id))

    def file(self, repository: str, path: str) -> File:
        """Return a file as far as the index holds it; raise NotFound for one that it does not have."""
        return self._ask(wire.file(repository, path))

    def status(self) -> Status:
        """Return what the index holds."""
        return self._ask(wire.status())

    def suggest(self, prefix: str, limit: int = 8) -> tuple[Suggestion, ...]:
        """Return symbols and paths that begin with, or have a part that begins with, what was typed."""
        return self._ask(wire.suggest(prefix, limit))

    def batch(self, queries: Iterable[str | Query | Mapping[str, Any]]) -> Iterator[Answer | Failure]:
        """Yield the answer to each query in order, a Failure in the place of one that cannot be given.

        Queries are taken as they are needed, and sent many at once. After a lost connection only those without an
        answer are asked again.
        """
        gathering = wire.Gathering()
        for query in queries:
            if (exchange := gathering.add(query)) is not None:
                yield from self._exchange(exchange)
        if (exchange := gathering.rest()) is not None:
            yield from self._exchange(exchange)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, call: wire.Call[_T]) -> _T:
        tried = 0
        while True:
            tried += 1
            try:
                return call.read(self._http.request(call.method, call.path, params=call.params, json=call.fields))
            except httpx.HTTPError as error:
                failure = wire.failed(error)
            except FathomError as error:
                failure = error
            self._wait(failure, tried)

    def _exchange(self, exchange: wire.Exchange) -> Iterator[Answer | Failure]:
        while True:
            try:
                yield from self._received(exchange)
                return
            except httpx.HTTPError as error:
                failure = wire.failed(error)
            except FathomError as error:
                failure = error
            self._wait(failure, exchange.tried)

    def _received(self, exchange: wire.Exchange) -> Iterator[Answer | Failure]:
        body = exchange.body()
        with self._http.stream("POST", exchange.path, content=body, headers=exchange.headers) as response:
            if not response.is_success:
                response.read()
                raise wire.refused(response)
            for piece in response.iter_bytes():
                yield from exchange.feed(piece)
            exchange.end()

    def _wait(self, failure: FathomError, tried: int) -> None:
        """Wait before the next try, or raise what made the last one fail."""
        pause = self._retries.pause(failure, tried)
        if pause is None:
            raise failure
        time.sleep(pause)
