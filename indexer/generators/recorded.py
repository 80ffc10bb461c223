"""Generations on disk: replaying those that are there, and recording what any generator writes.

A folder holds `exemplars.jsonl` (`_id`, `exemplars`: texts) and `rewritten.jsonl` (`_id`, `purpose`: a sentence,
`rewritten`: texts). Lines of the same id add up, a later one before an earlier; `by` (optional) names what wrote a
line. No prompt and no model here.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.errors import EnvironmentFailed, IndexBusy, UsageError
from indexer.generators.interface import Budget, Generation, Generator, NotRecorded, Request, Task

EXEMPLARS, REWRITTEN = "exemplars.jsonl", "rewritten.jsonl"

# In which file and which field each task's texts lie.
_PLACES: Mapping[Task, tuple[str, str]] = {
    Task.EXEMPLAR: (EXEMPLARS, "exemplars"),
    Task.PURPOSE: (REWRITTEN, "purpose"),
    Task.REWRITING: (REWRITTEN, "rewritten"),
}
# A line longer than this is damage: its texts are bounded where they are made.
_MAX_LINE = 16 << 20
# Bytes looked at at a time for the last line end.
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Recording:
    """The texts of one id and task, and what wrote them; "" where that is not known."""

    texts: tuple[str, ...]
    by: str = ""


Recordings = dict[tuple[Task, str], Recording]


def read_recordings(folder: Path) -> Recordings:
    """Return what a folder holds; raise UsageError that names the file and the line that cannot be read."""
    if not any((folder / name).is_file() for name in (EXEMPLARS, REWRITTEN)):
        raise UsageError(f"{folder} holds no recorded generations: neither {EXEMPLARS} nor {REWRITTEN} is there")
    return _read(folder)


class Recorded:
    """Replays the generations of a folder, which is read once."""

    def __init__(self, folder: Path) -> None:
        self.name = f"recorded in {folder}"
        self._recordings = read_recordings(folder)

    def generate(self, request: Request, budget: Budget) -> Generation:  # noqa: ARG002 - what is there takes no time
        """Return what is recorded under the request's identity; raise NotRecorded where nothing is."""
        return _replayed(self._recordings.get((request.task, request.identity)), request, self.name)

    def close(self) -> None:
        """Nothing is held."""


class Recorder:
    """Asks a generator for what a folder does not hold yet, and appends what it writes, a line at a time.

    A line is written whole and is on the disk before the text is returned: a run that is killed goes on where it was.
    What another generator or other prompts wrote is asked for anew; what does not say who wrote it is kept.
    Raises IndexBusy where another process records into the folder. Closing it closes the generator too.
    """

    def __init__(self, generator: Generator, folder: Path) -> None:
        self.name = generator.name
        self._generator = generator
        self._lock = threading.Lock()
        self._files = _open_files(folder)
        try:
            self._recordings = _read(folder)
        except BaseException:
            self._close_files()
            raise

    def generate(self, request: Request, budget: Budget) -> Generation:
        """Return what is recorded, or what the generator writes, recorded now; raise what the generator does."""
        kept = self._recordings.get((request.task, request.identity))
        if kept is not None and kept.by in ("", self.name) and len(kept.texts) >= request.count:
            return _replayed(kept, request, self.name)
        made = self._generator.generate(request, budget)
        self._append(request, made.texts)
        return made

    def close(self) -> None:
        """Let other processes record, and close the generator."""
        self._close_files()
        self._generator.close()

    def _append(self, request: Request, texts: tuple[str, ...]) -> None:
        name, field = _PLACES[request.task]
        value = texts[0] if request.task is Task.PURPOSE else list(texts)
        row = {"_id": request.identity, field: value, "by": self.name}
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        with self._lock:
            _write(self._files[name], line, name)
            self._recordings[request.task, request.identity] = Recording(texts, self.name)

    def _close_files(self) -> None:
        with self._lock:
            while self._files:
                os.close(self._files.popitem()[1])


def _replayed(kept: Recording | None, request: Request, source: str) -> Generation:
    if kept is None:
        raise NotRecorded(f"nothing is {source} as {request.task.value} of {request.identity!r}")
    return Generation(kept.texts[: request.count], source, cached=True)


def _open_files(folder: Path) -> dict[str, int]:
    """Open both files for appending, each locked and ending with a whole line."""
    opened: dict[str, int] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (EXEMPLARS, REWRITTEN):
            opened[name] = os.open(folder / name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(opened[name], fcntl.LOCK_EX | fcntl.LOCK_NB)
            _end_last_line(opened[name])
    except OSError as error:
        for descriptor in opened.values():
            os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise IndexBusy(f"another process records generations into {folder}") from error
        raise EnvironmentFailed(f"generations cannot be recorded into {folder}: {error.strerror or error}") from error
    return opened


def _end_last_line(descriptor: int) -> None:
    """Give the last line its end, or cut it off where it is torn: its writer died while writing."""
    size = os.fstat(descriptor).st_size
    start = _start_of_last_line(descriptor, size)
    if start == size:
        return
    try:
        whole = isinstance(json.loads(os.pread(descriptor, size - start, start).decode("utf-8")), dict)
    except (ValueError, RecursionError):
        whole = False
    if whole:
        os.write(descriptor, b"\n")
    else:
        os.ftruncate(descriptor, start)


def _start_of_last_line(descriptor: int, end: int) -> int:
    """Return where what stands after the last line end begins."""
    while end:
        start = max(0, end - _CHUNK)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _write(descriptor: int, line: bytes, name: str) -> None:
    before = os.fstat(descriptor).st_size
    try:
        written = os.write(descriptor, line)
        if written < len(line):
            raise OSError(f"{written} of {len(line)} bytes were written")
        os.fsync(descriptor)
    except OSError as error:
        os.ftruncate(descriptor, before)
        raise EnvironmentFailed(f"{name}: a generation cannot be recorded: {error.strerror or error}") from error


def _read(folder: Path) -> Recordings:
    found: Recordings = {}
    for name in (EXEMPLARS, REWRITTEN):
        fields = {field: task for task, (file, field) in _PLACES.items() if file == name}
        for place, row in _rows(folder / name):
            key, by = row.get("_id"), row.get("by", "")
            if not isinstance(key, str) or not key or not isinstance(by, str):
                raise UsageError(f'{place}: "_id" is missing or no text, or "by" is no text')
            held = {task: row[field] for field, task in fields.items() if field in row}
            if not held:
                raise UsageError(f"{place}: none of {', '.join(fields)} is there")
            found |= {(task, key): Recording(_texts(place, task, value), by) for task, value in held.items()}
    return found


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a file with the place of each; a file that is not there has none."""
    number = 0
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(iter(lambda: stream.readline(_MAX_LINE), b""), 1):
                if line.strip():
                    yield f"{path}:{number}", _row(f"{path}:{number}", line)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path} cannot be read after line {number}: {error.strerror or error}") from error


def _row(place: str, line: bytes) -> dict[str, Any]:
    if len(line) >= _MAX_LINE:
        raise UsageError(f"{place}: the line is longer than {_MAX_LINE} bytes")
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: not JSON in UTF-8: {error}") from error
    if not isinstance(row, dict):
        raise UsageError(f"{place}: not a JSON object")
    return row


def _texts(place: str, task: Task, value: object) -> tuple[str, ...]:
    """Return the texts of a field; raise UsageError where it holds none or something else."""
    field = _PLACES[task][1]
    texts = [value] if task is Task.PURPOSE else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        wanted = "a text" if task is Task.PURPOSE else "a list of texts"
        raise UsageError(f'{place}: "{field}" is not {wanted}, or one is empty')
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise UsageError(f'{place}: "{field}" holds half a character: {error}') from error
    return tuple(texts)
