"""Who may ask what, and how often: keys from a file that holds their hashes, never the keys."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import threading
import time
import tomllib
from collections import Counter, deque
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from indexer.errors import UsageError

_WINDOW = 60.0
_HEADING = re.compile(r"^\s*\[\[\s*key\s*\]\]", re.MULTILINE)
_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")


class Scope(StrEnum):
    """What a key opens."""

    SEARCH = "search"
    READ = "read"
    BATCH = "batch"
    STATUS = "status"
    METRICS = "metrics"


class Key(BaseModel):
    """One key: the SHA-256 of it in hexadecimal, what it opens, and the requests a minute that it is good for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w.@-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    scopes: frozenset[Scope] = Field(min_length=1)
    per_minute: int | None = Field(default=None, ge=1, le=1_000_000)


class Keys:
    """The keys of a server; safe to share between threads."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = tuple(keys)
        self._lock = threading.Lock()
        self._asked: dict[str, deque[float]] = {key.name: deque(maxlen=key.per_minute) for key in keys}

    def find(self, secret: str) -> Key | None:
        """Return the key that a secret is; it takes as long whichever it is, and when it is none."""
        digest = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
        found = [key for key in self._keys if hmac.compare_digest(key.sha256, digest)]
        return found[0] if found else None

    def wait(self, key: Key) -> int:
        """Count a request of a key and return 0; or, where it has none left, the seconds until it has one."""
        if key.per_minute is None:
            return 0
        now = time.monotonic()
        with self._lock:
            asked = self._asked[key.name]
            if len(asked) == key.per_minute and now - asked[0] < _WINDOW:
                return max(1, math.ceil(_WINDOW - (now - asked[0])))
            asked.append(now)
            return 0


def read_keys(path: Path) -> Keys:
    """Return the keys of a TOML file, a `[[key]]` each; raise UsageError with the file's name and line."""
    try:
        text = path.read_text("utf-8")
        written = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"the file of keys {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}, line {error.object[: error.start].count(10) + 1}: this is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        where = _AT_LINE.search(str(error))
        line = int(where[1]) if where else text.count("\n") + 1
        raise UsageError(f"{path}, line {line}: {_AT_LINE.sub('', str(error))}") from error
    found = [_key(path, text, number, fields) for number, fields in enumerate(_tables(path, text, written))]
    _refuse_twins(path, text, found)
    return Keys(found)


def _tables(path: Path, text: str, written: dict[str, Any]) -> list[Any]:
    tables = written.get("key")
    if not isinstance(tables, list) or not tables:
        raise UsageError(f"{path}, line 1: there is no key here; each begins with [[key]]")
    if other := sorted(set(written) - {"key"}):
        line = next((at for at, each in enumerate(text.splitlines(), 1) if other[0] in each), 1)
        raise UsageError(f"{path}, line {line}: {other[0]!r} is not known here; each key begins with [[key]]")
    return tables


def _key(path: Path, text: str, number: int, fields: Any) -> Key:
    try:
        return Key.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{path}, line {_line(text, number)}: the key's {field or 'fields'}: {first['msg']}"
        ) from error


def _refuse_twins(path: Path, text: str, keys: Sequence[Key]) -> None:
    for field in ("name", "sha256"):
        values = [getattr(key, field) for key in keys]
        twice, count = Counter(values).most_common(1)[0]
        if count > 1:
            last = len(values) - 1 - values[::-1].index(twice)
            raise UsageError(f"{path}, line {_line(text, last)}: another key has the same {field}")


def _line(text: str, number: int) -> int:
    """Return the line at which a key begins; the file's first where it is not written as a table of its own."""
    headings = list(_HEADING.finditer(text))
    if number >= len(headings):
        return 1
    return text.count("\n", 0, headings[number].end()) + 1
