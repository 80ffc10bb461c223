"""What was read of rows that never change, kept in memory: much of what one query looks at the next one does, too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Kept(Generic[_T]):
    """What was read, by key, up to so much; safe to share between threads."""

    def __init__(self, most: int, size: Callable[[_T], int] = lambda _: 1) -> None:
        """Keep up to `most` values, or as many as that is the sum of their sizes."""
        self._most, self._size = most, size
        self._held = 0
        self._by_key: dict[int, _T] = {}
        self._lock = threading.Lock()

    def read(self, keys: Sequence[int], fetch: Callable[[list[int]], Mapping[int, _T]]) -> dict[int, _T]:
        """Return what `fetch` gives for keys, in their order; it is asked for what is not kept, and may lack some."""
        found = self.of(keys)
        missing = [key for key in keys if key not in found]
        if not missing:
            return found
        fetched = fetch(missing)
        self.keep(fetched)
        found |= fetched
        return {key: found[key] for key in keys if key in found}

    def of(self, keys: Sequence[int]) -> dict[int, _T]:
        """Return what is kept of keys."""
        known = self._by_key
        return {key: known[key] for key in keys if key in known}

    def keep(self, read: Mapping[int, _T]) -> None:
        """Keep what was read; where that is too much, forget the half that was read first."""
        with self._lock:
            more = sum(self._size(value) for key, value in read.items() if key not in self._by_key)
            if self._held + more > self._most:
                # A new dictionary: who reads the old one goes on with it.
                self._by_key = dict(islice(self._by_key.items(), (len(self._by_key) + 1) // 2, None))
                self._held = sum(map(self._size, self._by_key.values()))
                more = sum(self._size(value) for key, value in read.items() if key not in self._by_key)
            self._by_key.update(read)
            self._held += more
