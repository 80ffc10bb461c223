"""The chat protocol: what is sent to a server, and what its response says, well or badly.

Sends nothing and waits for nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from indexer.errors import UsageError
from indexer.generators import prompts
from indexer.generators.interface import Budget, Busy, GenerationFailed, Refused, Request, Unusable
from indexer.generators.replies import FIELD

# Characters of a server's own words that a message quotes.
_MAX_QUOTED = 200
_MAX_TOKENS = 1 << 53
# Statuses after which the same request may be taken later, besides all of 500 and more.
_LATER = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Server:
    """Which server and which of its models; the key is in no message and no repr.

    `url` is the base below which `chat/completions` lies, mostly ending in `/v1`. With `structured` the reply is asked
    for as JSON by a schema. `limit_field` is what the server calls the bound of a reply's tokens. Raises UsageError
    for an address that is none or holds more than an address, no model, and a key that no header can hold.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    structured: bool = False
    limit_field: str = "max_tokens"

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise UsageError("a generator needs the name of a model")
        if not self.key.isascii() or not (self.key.isprintable() and self.key == self.key.strip()):
            raise UsageError("the generator's key holds characters that no key has; set it again")
        _check_address(self.url)

    @property
    def place(self) -> str:
        """What messages call the server."""
        return f"the generator at {self.url}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, and the tokens that the server counted."""

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None


def body_of(server: Server, request: Request, budget: Budget) -> dict[str, Any]:
    """Return the body of a request for one text."""
    body: dict[str, Any] = {
        "model": server.model,
        "messages": prompts.messages(request),
        "temperature": prompts.TEMPERATURES[request.task],
        server.limit_field: budget.tokens or prompts.REPLY_TOKENS[request.task],
    }
    if server.structured:
        schema = {
            "type": "object",
            "properties": {FIELD: {"type": "string"}},
            "required": [FIELD],
            "additionalProperties": False,
        }
        wanted = {"name": "reply", "schema": schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return body


def read_response(server: Server, status: int, headers: Mapping[str, str], content: bytes) -> Reply:
    """Return the reply of a response; raise Busy, Refused or Unusable for what is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not 200 <= status < 300:
        raise _refusal(server, status, headers, found)
    try:
        text = _text(found["choices"][0]["message"]["content"])
    except (LookupError, TypeError) as error:
        kind = "no JSON" if found is None else "JSON without a reply"
        raise Unusable(f"{server.place} sent {kind}; is it a chat server?") from error
    usage = found.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Reply(text, _count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens")))


def _text(content: object) -> str:
    """Return a message's content, one text or a list of parts; raise TypeError for anything else."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise TypeError(f"content of type {type(content).__name__}")
    return "".join(part["text"] for part in content if isinstance(part["text"], str))


def _refusal(server: Server, status: int, headers: Mapping[str, str], found: object) -> GenerationFailed:
    said = f"{server.place} answers {status}{_quoted(found, server.key)}"
    if status in _LATER or status >= 500:
        return Busy(said, _retry_after(headers))
    if status in (401, 403):
        return Refused(f"{said}; {'check the key' if server.key else 'it wants a key'}")
    if status == 404:
        return Refused(f"{said}; has it the model {server.model!r}, and does its address end as it should, in /v1?")
    return Refused(said)


def _quoted(found: object, key: str) -> str:
    """Return the server's own words as one short line; some quote the key."""
    error = found.get("error", found.get("message")) if isinstance(found, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    if not isinstance(said, str) or not said.strip():
        return ""
    plain = " ".join((said.replace(key, "(the key)") if key else said).split())
    return f": {''.join(filter(str.isprintable, plain))[:_MAX_QUOTED]}"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait: a number, or the time until a date."""
    said = headers.get("retry-after", "")
    try:
        seconds = float(said)
    except ValueError:
        try:
            when = parsedate_to_datetime(said)
        except ValueError:
            return None
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _count(value: object) -> int | None:
    """Return a count of tokens, None for what is none."""
    counted = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_TOKENS
    return value if isinstance(value, int) and counted else None


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
        more = "@" in parts.netloc or parts.query or parts.fragment
    except ValueError:
        wrong, more = True, ""
    if wrong:
        raise UsageError("the generator's address is none; it looks like http://127.0.0.1:8000/v1")
    if more:
        raise UsageError("the generator's address holds a user or parameters; give the key by itself")
