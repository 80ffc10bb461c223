"""What can go wrong when a server is asked. No logic lives here."""

from __future__ import annotations


class FathomError(Exception):
    """Base of all: `code` for programs, `message` for people, `request_id` for the server's log, `status` of HTTP.

    `field` names what was sent wrong, `retry_after` the seconds after which the server may be asked again, each None
    where it is not known.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        request_id: str | None = None,
        status: int | None = None,
        field: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message
        self.request_id, self.status = request_id, status
        self.field, self.retry_after = field, retry_after

    def __str__(self) -> str:
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.message} ({self.code}{request})"


class BadRequest(FathomError):
    """What was asked is wrong: a query that cannot be read, a value out of range (400, 413, 422 and the like)."""


class NotAllowed(FathomError):
    """There is no key, a wrong one, or one that does not open this (401, 403)."""


class NotFound(FathomError):
    """The index has no such unit or file, or the server no such address (404)."""


class TooManyRequests(FathomError):
    """The key has asked for all it may for now (429)."""


class Unavailable(FathomError):
    """The server cannot answer at the moment: there is no index, or a proxy found no server (502, 503, 504)."""


class ServerFailed(FathomError):
    """A fault of the server (5xx)."""


class ConnectionFailed(FathomError):
    """The server was not reached, or the connection was lost."""


class TimedOut(FathomError):
    """The server was reached and took too long."""


class BadAnswer(FathomError):
    """What came back is not what a Fathom server says."""
