"""What both clients send and how they understand what comes back: calls, batches and errors. Nothing is sent here."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from fathom_client.errors import (
    BadAnswer,
    BadRequest,
    ConnectionFailed,
    FathomError,
    NotAllowed,
    NotFound,
    ServerFailed,
    TimedOut,
    TooManyRequests,
    Unavailable,
)
from fathom_client.reading import read
from fathom_client.types import Answer, Failure, File, Mode, Query, Status, Suggestion, Unit

_T = TypeVar("_T")

DEFAULT_URL = "http://127.0.0.1:8420"
_API = "/api/v1"
# Queries of one request, as many as the server encodes together, and bytes.
_TOGETHER = 128
_MAX_BYTES = 512 << 10
# Bytes of one line of an answer: more than a thousand hits have.
_MAX_LINE = 256 << 20
# In a batch these stand for all that follows, not for one line.
_INTERRUPTIONS = frozenset({"index_unavailable", "request_timeout"})
_STATUSES: Mapping[int, type[FathomError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


@dataclass(frozen=True)
class Call(Generic[_T]):
    """A request and the type of its answer."""

    method: str
    path: str
    kind: type[_T]
    params: Mapping[str, str | int] | None = None
    fields: Mapping[str, Any] | None = None
    below: str | None = None  # the field of the answer that holds what is wanted

    def read(self, response: httpx.Response) -> _T:
        """Return the answer; raise the error that the server, or whatever stands for it, tells of."""
        value = answered(response)
        if self.below is not None:
            value = value.get(self.below) if isinstance(value, dict) else None
        return read(self.kind, value)


def search(
    query: str, k: int, offset: int, mode: Mode, rank: bool, budget: int | None, neighbours: bool
) -> Call[Answer]:
    """Return the call of a search; what a server's default is anyway is not sent."""
    options = {"offset": offset or None, "rank": None if rank else False}
    options |= {"budget": budget, "neighbours": neighbours or None}
    sent = {name: value for name, value in options.items() if value is not None}
    return Call("POST", f"{_API}/search", Answer, fields={"query": query, "k": k, "mode": mode, **sent})


def similar(unit_id: str, k: int) -> Call[Answer]:
    """Return the call for the units most like one."""
    return Call("POST", f"{_API}/similar", Answer, fields={"id": unit_id, "k": k})


def unit(unit_id: str) -> Call[Unit]:
    """Return the call for a unit."""
    return Call("GET", f"{_API}/units/{quote(unit_id, safe='')}", Unit)


def file(repository: str, path: str) -> Call[File]:
    """Return the call for a file."""
    return Call("GET", f"{_API}/files/{quote(repository, safe='')}/{quote(path)}", File)


def status() -> Call[Status]:
    """Return the call for what the index holds."""
    return Call("GET", f"{_API}/status", Status)


def suggest(prefix: str, limit: int) -> Call[tuple[Suggestion, ...]]:
    """Return the call for what could be typed on."""
    kind = tuple[Suggestion, ...]
    return Call("GET", f"{_API}/suggest", kind, params={"prefix": prefix, "limit": limit}, below="suggestions")


def address(url: str) -> str:
    """Return the address of a server; raise ValueError for what is none."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(f"{url!r} is not an address: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise ValueError(f"{url!r} is not the address of a server, such as {DEFAULT_URL}")
    return url.rstrip("/")


def headers(api_key: str | None, version: str) -> dict[str, str]:
    """Return what goes with every request; raise ValueError for a key that no header can hold."""
    if api_key and not (api_key.isascii() and api_key.isprintable()):
        raise ValueError("the API key has characters that no key has")
    sent = {"Accept": "application/json", "User-Agent": f"fathom-client/{version}"}
    return sent | ({"Authorization": f"Bearer {api_key}"} if api_key else {})


def answered(response: httpx.Response) -> Any:
    """Return the JSON of a response that was read; raise FathomError for an error, and for what is no JSON."""
    if not response.is_success:
        raise refused(response)
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise BadAnswer("bad_answer", "the server's answer is no JSON", **_request(response)) from error


def refused(response: httpx.Response) -> FathomError:
    """Return the error that a response which was read tells of."""
    kind = _STATUSES.get(response.status_code) or (ServerFailed if response.status_code >= 500 else BadRequest)
    if response.status_code < 400:
        kind = BadAnswer
    code, message, field = f"http_{response.status_code}", f"the server answered {response.status_code}", None
    with suppress(ValueError, TypeError, KeyError, AttributeError):  # not a Fathom server's words: a proxy's, say
        said = response.json()["error"]
        code, message, field = str(said["code"]), str(said["message"]), said.get("field")
    wait = _seconds(response.headers.get("Retry-After"))
    return kind(code, message, field=field, retry_after=wait, **_request(response))


def failed(error: httpx.HTTPError) -> FathomError:
    """Return what went wrong on the way to a server or back."""
    said = str(error) or type(error).__name__
    failure: FathomError = ConnectionFailed("connection_failed", f"the server was not reached, or was lost: {said}")
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        failure = TimedOut("timed_out", f"the server took too long: {said}")
    elif isinstance(error, httpx.DecodingError):
        failure = BadAnswer("bad_answer", f"the server's answer cannot be unpacked: {said}")
    failure.__cause__ = error
    return failure


def _request(response: httpx.Response) -> dict[str, Any]:
    return {"status": response.status_code, "request_id": response.headers.get("X-Request-ID")}


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds that a `Retry-After` means: a number of them, or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


class Gathering:
    """Gathers queries into requests of a batch."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._bytes = 0

    def add(self, query: str | Query | Mapping[str, Any]) -> Exchange | None:
        """Take a query; return those before it when they are enough for a request."""
        line = _line(query)
        full = len(self._lines) == _TOGETHER or (self._lines and self._bytes + len(line) > _MAX_BYTES)
        gathered = self.rest() if full else None
        self._lines.append(line)
        self._bytes += len(line)
        return gathered

    def rest(self) -> Exchange | None:
        """Return what is gathered, None if that is nothing."""
        gathered = Exchange(self._lines) if self._lines else None
        self._lines, self._bytes = [], 0
        return gathered


class Exchange:
    """One request of a batch: the lines that have no answer yet, and what of an answer has come.

    After a loss it goes on with the first query that has no answer; `tried` counts the tries since the last one.
    """

    path = f"{_API}/batch"
    headers: Mapping[str, str] = {"Content-Type": "application/x-ndjson", "Accept": "application/x-ndjson"}

    def __init__(self, lines: list[bytes]) -> None:
        self._waiting = deque(lines)
        self._begun = b""
        self.tried = 0

    def body(self) -> bytes:
        """Return what to send, and count a try."""
        self.tried += 1
        self._begun = b""
        return b"".join(self._waiting)

    def feed(self, received: bytes) -> Iterator[Answer | Failure]:
        """Yield the answers that a piece of the response completes; raise BadAnswer, or Unavailable where it stops."""
        *lines, self._begun = (self._begun + received).split(b"\n")
        if len(self._begun) > _MAX_LINE:
            raise BadAnswer("bad_answer", f"a line of the server's answer is longer than {_MAX_LINE} bytes")
        for line in lines:
            if line.strip():
                yield self._take(line)

    def end(self) -> None:
        """Raise ConnectionFailed when the response has ended and queries are left without an answer."""
        if self._waiting:
            raise ConnectionFailed("connection_failed", f"the answer ended {len(self._waiting)} queries too early")

    def _take(self, line: bytes) -> Answer | Failure:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadAnswer("bad_answer", "a line of the server's answer is no JSON") from error
        if not self._waiting:
            raise BadAnswer("bad_answer", "the server gave more answers than it was asked for")
        found = _item(value)
        if isinstance(found, Failure) and found.code in _INTERRUPTIONS:
            raise Unavailable(found.code, found.message)
        self._waiting.popleft()
        self.tried = 0
        return found


def _item(value: Any) -> Answer | Failure:
    if isinstance(value, dict) and "error" in value:
        error = value["error"]
        return read(Failure, {**error, "id": value.get("id")} if isinstance(error, dict) else error)
    return read(Answer, value)


def _line(query: str | Query | Mapping[str, Any]) -> bytes:
    """Return a query as a line; raise ValueError or TypeError for one that JSON cannot hold."""
    if isinstance(query, str):
        fields: Mapping[str, Any] = {"query": query}
    elif isinstance(query, Query):
        fields = {name: value for name, value in asdict(query).items() if value is not None}
    else:
        fields = query
    return json.dumps(dict(fields), allow_nan=False).encode() + b"\n"
