"""Client of Fathom, the semantic code search engine: the names that programs use."""

from fathom_client.aio import AsyncClient
from fathom_client.client import Client
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
from fathom_client.retrying import Retries
from fathom_client.types import (
    Answer,
    Context,
    Failure,
    File,
    Hit,
    Language,
    Line,
    Query,
    Source,
    Status,
    Suggestion,
    Unit,
)

__all__ = [
    "Answer",
    "AsyncClient",
    "BadAnswer",
    "BadRequest",
    "Client",
    "ConnectionFailed",
    "Context",
    "Failure",
    "FathomError",
    "File",
    "Hit",
    "Language",
    "Line",
    "NotAllowed",
    "NotFound",
    "Query",
    "Retries",
    "ServerFailed",
    "Source",
    "Status",
    "Suggestion",
    "TimedOut",
    "TooManyRequests",
    "Unavailable",
    "Unit",
]
