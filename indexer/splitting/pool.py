"""Parsing in several processes that can be killed: a file that hangs or crashes its parser costs seconds.

Such a file comes back as line units with `parsed` False; nothing is lost and nothing hangs.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

from indexer.splitting.parse import FIELDS, ParseRequest, parse_file, request_fields
from indexer.splitting.worker import read_frame, write_frame
from indexer.types import SourceFile

# A megabyte of hostile Rust takes about 17 s; an honest one a quarter of a second.
PARSE_SECONDS = 10.0
# Files under way for each worker: hides the round trip, bounds the memory.
_AHEAD = 8

_Tag = TypeVar("_Tag")


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What `parse_file` says of a file; `failure` tells why its grammar was not used."""

    fields: dict[str, Any]
    failure: str = ""


class ParserPool:
    """A few parser processes, started at first use; a context manager."""

    def __init__(self, processes: int, seconds: float = PARSE_SECONDS, command: tuple[str, ...] = ()) -> None:
        self._command = command or (sys.executable, "-m", "indexer.splitting.worker")
        self._seconds = seconds
        self._size = processes
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="parser")
        self._local = threading.local()
        self._lock = threading.Lock()
        self._started: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def __enter__(self) -> ParserPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            processes = list(self._started)
        for process in processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in processes:
            _stop(process)

    def parse(self, files: Iterable[tuple[_Tag, SourceFile]]) -> Iterator[tuple[_Tag, SourceFile, ParsedFile]]:
        """Yield each file's units in the order of `files`, parsing several ahead."""
        under_way: deque[tuple[_Tag, SourceFile, Future[ParsedFile]]] = deque()
        for tag, file in files:
            under_way.append((tag, file, self._threads.submit(self._parse, file)))
            if len(under_way) > self._size * _AHEAD:
                yield _result(under_way.popleft())
        while under_way:
            yield _result(under_way.popleft())

    def _parse(self, file: SourceFile) -> ParsedFile:
        try:
            return ParsedFile(self._ask(ParseRequest(file)))
        except TimeoutError:
            failure = f"its parser took more than {self._seconds:g} s"
        except (BrokenPipeError, EOFError):
            failure = "its parser crashed"
        except ValueError:
            failure = "its parser's answer cannot be read"
        if self._closed:
            raise CancelledError
        return ParsedFile(parse_file(ParseRequest(file, grammar=False)), failure)

    def _ask(self, request: ParseRequest) -> dict[str, Any]:
        """Return a parser's answer; raise TimeoutError, EOFError or ValueError where it gives none."""
        process = self._process()
        assert process.stdin is not None
        assert process.stdout is not None
        with _deadline(process, self._seconds) as timed_out:
            try:
                write_frame(process.stdin, request_fields(request), request.file.content)
                answer = _answer(process.stdout)
            except (BrokenPipeError, EOFError, ValueError) as error:
                self._drop(process)
                if timed_out():
                    raise TimeoutError from error
                raise
        if timed_out():  # killed just after its answer
            self._drop(process)
        return answer

    def _process(self) -> subprocess.Popen[bytes]:
        """Return the calling thread's process."""
        process: subprocess.Popen[bytes] | None = getattr(self._local, "process", None)
        if process is not None:
            return process
        root = str(Path(__file__).resolve().parents[2])
        with self._lock:
            if self._closed:
                raise CancelledError
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, start_new_session=True
            )
            self._started.add(process)
        self._local.process = process
        return process

    def _drop(self, process: subprocess.Popen[bytes]) -> None:
        """End a process that cannot be asked again."""
        self._local.process = None
        _stop(process)
        with self._lock:
            self._started.discard(process)


def _answer(stream: IO[bytes]) -> dict[str, Any]:
    frame = read_frame(stream)
    if frame is None:
        raise EOFError
    if not frame[0].keys() >= FIELDS:
        raise ValueError(f"an answer without {', '.join(sorted(FIELDS - frame[0].keys()))}")
    return frame[0]


@contextlib.contextmanager
def _deadline(process: subprocess.Popen[bytes], seconds: float) -> Iterator[Callable[[], bool]]:
    """Kill the process when the time is up; the reader then sees the end of its output."""
    fired = threading.Event()

    def kill() -> None:
        fired.set()
        process.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield fired.is_set
    finally:
        timer.cancel()


def _result(entry: tuple[_Tag, SourceFile, Future[ParsedFile]]) -> tuple[_Tag, SourceFile, ParsedFile]:
    return entry[0], entry[1], entry[2].result()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    process.wait()
