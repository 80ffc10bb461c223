"""The lines of a body that arrives bit by bit, too long, never ending, or not at all."""

import io
import threading

import pytest

pytest.importorskip("flask", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")
from web import lines as lines_module
from web.lines import Lines, buffered


def taken(body):
    return [line for chunk in Lines(body, lambda: None) for line in chunk]


def test_lines_come_in_order_without_the_empty_ones():
    assert taken(io.BytesIO(b"")) == []
    assert taken(io.BytesIO(b"\n \n\t\n")) == []
    assert taken(io.BytesIO(b"a\n\nb\r\nc")) == [b"a\n", b"b\r\n", b"c"]
    many = [b"%d\n" % number for number in range(5_000)]
    assert taken(io.BytesIO(b"".join(many))) == many


def test_a_line_that_is_too_long_is_told_and_not_kept(monkeypatch):
    monkeypatch.setattr(lines_module, "MAX_LINE", 10)
    assert taken(io.BytesIO(b"a\n" + b"x" * 35 + b"\nb\n")) == [b"a\n", None, b"b\n"]
    assert taken(io.BytesIO(b"x" * 11)) == [None]
    assert taken(io.BytesIO(b"x" * 10 + b"\n" + b"y" * 10)) == [b"x" * 10 + b"\n", b"y" * 10]


class Slow(io.RawIOBase):
    """A body of which the rest comes when it is told to."""

    def __init__(self, first, rest):
        self.go, self.stopped = threading.Event(), threading.Event()
        self._parts = [first, rest]

    def readable(self):
        return True

    def readinto(self, buffer):
        if len(self._parts) == 1:
            self.go.wait(30)
        if self.stopped.is_set() or not self._parts:
            return 0
        part = self._parts.pop(0)
        buffer[: len(part)] = part
        return len(part)


def test_what_has_come_is_given_before_the_rest_is_there():
    body = Slow(b"a\nb\n", b"c\n")
    chunks = iter(Lines(buffered(body), lambda: None))
    first = next(chunks)
    first += next(chunks) if len(first) == 1 else []
    assert first == [b"a\n", b"b\n"]
    body.go.set()
    assert list(chunks) == [[b"c\n"]]


def test_who_leaves_wakes_the_reader():
    body = Slow(b"a\n", b"b\n")

    def interrupt():
        body.stopped.set()
        body.go.set()

    chunks = iter(Lines(buffered(body), interrupt))
    assert next(chunks) == [b"a\n"]
    before = threading.active_count()
    chunks.close()
    assert body.stopped.is_set()
    assert threading.active_count() < before


def test_what_reading_raises_comes_after_what_was_read():
    class Broken(io.BytesIO):
        def readline(self, limit=-1):
            line = super().readline(limit)
            if not line:
                raise ConnectionResetError("gone")
            return line

    seen = []
    with pytest.raises(ConnectionResetError):
        seen.extend(line for chunk in Lines(Broken(b"a\nb\n"), lambda: None) for line in chunk)
    chunks = iter(Lines(Broken(b"a\n"), lambda: None))
    assert next(chunks) == [b"a\n"]
    with pytest.raises(ConnectionResetError):
        next(chunks)


def test_lines_that_nobody_takes_are_not_gathered_without_end(monkeypatch):
    monkeypatch.setattr(lines_module, "_MAX_AHEAD", 10_000)
    read = []

    class Endless:
        def readline(self, limit=-1):
            read.append(None)
            return b"x" * 99 + b"\n"

    chunks = iter(Lines(Endless(), lambda: None))
    next(chunks)
    for _ in range(100):
        threading.Event().wait(0.005)
    assert len(read) < 400
    chunks.close()
