"""The lines of a request's body while it arrives, read ahead of their answers, never many of them at once in memory."""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, Any

from search.batch import MAX_LINE
from search.engine import BATCH

# Bytes of lines that wait for their answers. A caller that sends more must read meanwhile.
_MAX_AHEAD = 1 << 24
# Seconds that a reader which was woken has to end.
_GRACE = 1.0
# What a line costs beside its bytes.
_LINE = 64


class Lines:
    """The lines of a body, None where one is too long; empty ones are left out.

    A thread reads them, so that a caller may send all of them before it reads an answer. `interrupt` wakes that thread
    when nobody wants the rest.
    """

    def __init__(self, body: IO[bytes], interrupt: Callable[[], Any]) -> None:
        self._body, self._interrupt = body, interrupt
        self._change = threading.Condition()
        self._waiting: deque[bytes | None] = deque()
        self._held = 0
        self._ended = self._left = False
        self._fault: Exception | None = None

    def __iter__(self) -> Iterator[list[bytes | None]]:
        """Yield the lines that are there, one at least, until the body ends; raise what reading raised."""
        reader = threading.Thread(target=self._read, daemon=True)
        reader.start()
        try:
            while chunk := self._take():
                yield chunk
        finally:
            with self._change:
                self._left, ended = True, self._ended
                self._change.notify_all()
            if not ended:
                self._interrupt()
            reader.join(_GRACE)

    def _take(self) -> list[bytes | None]:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._ended)
            if self._fault is not None and not self._waiting:
                raise self._fault
            chunk = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._held -= sum(map(_cost, chunk))
            self._change.notify_all()
            return chunk

    def _read(self) -> None:
        try:
            for line in iter(self._next, b""):
                if line is None or line.strip():
                    self._put(line)
                if self._left:
                    break
        except Exception as error:  # noqa: BLE001 - whoever takes the lines raises it
            self._fault = error
        with self._change:
            self._ended = True
            self._change.notify_all()

    def _next(self) -> bytes | None:
        """Return the next line, b"" at the end, None for one that is too long."""
        line = self._body.readline(MAX_LINE + 1)
        if len(line) <= MAX_LINE or line.endswith(b"\n"):
            return line
        while line and not line.endswith(b"\n"):
            line = self._body.readline(MAX_LINE)
        return None

    def _put(self, line: bytes | None) -> None:
        with self._change:
            self._change.wait_for(lambda: self._held < _MAX_AHEAD or self._left)
            self._waiting.append(line)
            self._held += _cost(line)
            self._change.notify_all()


def buffered(body: IO[bytes]) -> IO[bytes]:
    """Return a body with a `readline` that does not read byte by byte."""
    return io.BufferedReader(body) if isinstance(body, io.RawIOBase) else body


def _cost(line: bytes | None) -> int:
    return _LINE + (0 if line is None else len(line))
