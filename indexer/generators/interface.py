"""What every generator can do: a query, code or a sentence in, texts out, within a budget of time and tokens.

No prompt, no server and no model is named here.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from indexer.errors import EnvironmentFailed, UsageError

# Bytes of the hash that stands for a text without an id.
_KEY_BYTES = 16


class GenerationFailed(EnvironmentFailed):
    """No text was generated; the search or the rewriting can go on without."""


class OutOfTime(GenerationFailed):
    """The budget's seconds were over before any text was there."""


class Unreachable(GenerationFailed):
    """The server cannot be reached, or the connection was lost."""


class Refused(GenerationFailed):
    """The server does not want the request: a wrong key, an unknown model, a limit."""


class Busy(Refused):
    """The server cannot now; `retry_after` are the seconds it asks to wait, None where it does not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unusable(GenerationFailed):
    """What came is not what was asked for: garbage, or a reply without a text in it."""


class NotRecorded(GenerationFailed):
    """A recording has nothing for this text."""


class Task(StrEnum):
    """What is to be written."""

    EXEMPLAR = "exemplar"
    """Code that answers a query."""
    PURPOSE = "purpose"
    """One sentence that says what code is for."""
    REWRITING = "rewriting"
    """Code from such a sentence alone."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A description and its code, shown as an example of what is wanted."""

    description: str
    code: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be written: `text` is the query, the code or the sentence that the task starts from.

    `key` is the id of the query or unit that it is for, the text's hash by default. `count` texts are wanted, in
    `language` ("" is any); `pairs` are examples. Raises UsageError for an empty text and a count below 1.
    """

    task: Task
    text: str
    key: str = ""
    language: str = ""
    count: int = 1
    pairs: tuple[Pair, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise UsageError(f"there is no text to write a {self.task.value} for")
        if self.count < 1:
            raise UsageError(f"{self.count} texts were asked for; it must be at least 1")

    @property
    def identity(self) -> str:
        """Under what the texts are recorded: the key, or a hash of the text."""
        return self.key or text_key(self.text)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a request may take: `seconds` for all its texts together, `tokens` for each, None for the task's own.

    Raises UsageError for seconds that are not above 0 and tokens below 1.
    """

    seconds: float
    tokens: int | None = None

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and math.isfinite(self.seconds)):
            raise UsageError(f"a budget of {self.seconds} seconds leaves no time; give more than 0")
        if self.tokens is not None and self.tokens < 1:
            raise UsageError(f"a budget of {self.tokens} tokens leaves no room for a text; give at least 1")


@dataclass(frozen=True, slots=True)
class Generation:
    """What was written: at least one text, none empty; `seconds` it took and `source`, the generator's name.

    Tokens are those that the generator counted, read and written, over all texts; None where it did not. `cached`
    tells that nothing was written now.
    """

    texts: tuple[str, ...]
    source: str
    seconds: float = 0.0
    tokens_in: int | None = None
    tokens_out: int | None = None
    cached: bool = False


class Generator(Protocol):
    """Writes texts; safe to share between threads.

    `name` says what wrote them, model and prompts: texts of another name are others.
    """

    @property
    def name(self) -> str:
        """What writes: the model and the version of the prompts."""

    def generate(self, request: Request, budget: Budget) -> Generation:
        """Return up to `request.count` texts within the budget; raise GenerationFailed where there is none."""

    def close(self) -> None:
        """Free what is held: connections, files, a model."""


def text_key(text: str) -> str:
    """Return 32 hexadecimal digits that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).hexdigest()
