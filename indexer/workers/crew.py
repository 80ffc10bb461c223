"""Actors that come and go, and work that is done in order all the same. What the work is, is not known here."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from indexer.errors import EnvironmentFailed
from indexer.workers.remote import DISTRIBUTION, Introduction

# Jobs for each actor that are read and not yet answered: one at work, one on its way, one that waits for its turn.
_AHEAD = 3
# Jobs that an actor has at a time: it never waits for the next one.
_AT_ONCE = 2
# Seconds without any actor: starting one, with its model, takes two.
_PATIENCE = 60.0
# Starts that fail one after the other, for each actor wanted: a node that comes back is not given up at once.
_FAILED_STARTS = 3


@dataclass(eq=False, slots=True)
class Job:
    """A call of an actor, by its method's name, and its answer; `lost` counts the actors that ended while at it."""

    method: str
    arguments: tuple[Any, ...]
    tag: Any = None
    lost: int = 0
    done: bool = False
    answer: Any = None

    def finish(self, answer: Any) -> None:
        """Take the answer, and let go of what it was made from."""
        self.answer, self.done, self.arguments = answer, True, ()


@dataclass(eq=False, slots=True)
class _Actor:
    """An actor, what it answers first, and its jobs in the order in which it does them."""

    handle: Any
    greeting: Any
    known: Introduction | None = None
    jobs: deque[tuple[Any, Job]] = field(default_factory=deque)

    @property
    def next(self) -> Any:
        """Return what it answers next, if anything."""
        return self.greeting if self.known is None else self.jobs[0][0] if self.jobs else None

    def takes(self, job: Job) -> bool:
        """Tell whether a job may be given to it now: one that ended an actor is alone with the next.

        An actor's end can swallow the answer to what it did just before, which would then be blamed in its stead.
        """
        if self.known is None:
            return False
        return not self.jobs if job.lost else len(self.jobs) < _AT_ONCE and not any(held.lost for _, held in self.jobs)


class Crew:
    """So many actors of the same kind; one that ends is replaced, and what it had is done by others."""

    def __init__(self, hire: Callable[[], Any], size: int, version: str, fingerprint: str) -> None:
        """Start actors; `version` and `fingerprint` are what each must say of itself."""
        self._hire, self._version, self._fingerprint = hire, version, fingerprint
        self._failed = 0
        self._alone_since = time.monotonic()
        self._actors = [self._start() for _ in range(size)]

    @property
    def processes(self) -> list[int]:
        """The actors' process ids, each on its own node, of those that have introduced themselves."""
        return [actor.known.process for actor in self._actors if actor.known is not None]

    def await_one(self) -> None:
        """Return when an actor is ready; raise EnvironmentFailed where none is within a minute, or one does not fit."""
        while not self.processes:
            self._wait()

    def dismiss(self) -> None:
        """End all actors."""
        for actor in self._actors:
            with suppress(RayError):
                ray.kill(actor.handle)

    def in_order(self, jobs: Iterable[Job], lost: Callable[[Job], Sequence[Job]]) -> Generator[Job, None, None]:
        """Yield jobs with their answers in the order given, reading a bounded number of them ahead.

        `lost` is asked what takes a job's place whose actor ended while at it: the same one, to be tried again, parts
        of it, or one that it finished itself.
        """
        line, waiting, source = deque[Job](), deque[Job](), iter(jobs)
        try:
            while self._filled(line, waiting, source):
                if not line[0].done:
                    self._hand_out(waiting)
                    for job in self._wait():
                        _replace(job, lost(job), line, waiting)
                else:
                    yield line.popleft()
        finally:
            for actor in self._actors:
                actor.jobs.clear()

    def _filled(self, line: deque[Job], waiting: deque[Job], source: Iterator[Job]) -> bool:
        """Read ahead and keep the actors busy; tell whether anything is in the line."""
        while len(line) < _AHEAD * len(self._actors) and (job := next(source, None)) is not None:
            line.append(job)
            waiting.append(job)
            self._hand_out(waiting)
        return bool(line)

    def _hand_out(self, waiting: deque[Job]) -> None:
        """Give what waits to the actors that have least to do."""
        while waiting:
            ready = [actor for actor in self._actors if actor.takes(waiting[0])]
            if not ready:
                return
            actor, job = min(ready, key=lambda actor: len(actor.jobs)), waiting.popleft()
            if not job.done:
                actor.jobs.append((getattr(actor.handle, job.method).remote(*job.arguments), job))

    def _wait(self) -> list[Job]:
        """Wait for the next answers; return the jobs that have to be done again or otherwise."""
        expected = {actor.next: actor for actor in self._actors if actor.next is not None}
        answered, _ = ray.wait(list(expected), num_returns=1, timeout=1.0)
        again: list[Job] = []
        for reference in answered:
            again += self._take(expected[reference], reference)
        if any(actor.known for actor in self._actors):
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > _PATIENCE:
            raise EnvironmentFailed(
                f"no worker of the Ray cluster was ready within {_PATIENCE:g} s; `ray status` says what it lacks"
            )
        return again

    def _take(self, actor: _Actor, reference: Any) -> list[Job]:
        """Take an actor's answer; return the jobs that it leaves behind where it gives none."""
        try:
            answer = ray.get(reference)
        except RayTaskError as error:
            where = actor.known.node if actor.known else "a node"
            raise EnvironmentFailed(f"a worker on {where} failed: {_cause(error)}") from error
        except RayError as error:
            return self._lose(actor, error)
        if actor.known is None:
            self._check(answer)
            actor.known, self._failed = answer, 0
        else:
            actor.jobs.popleft()[1].finish(answer)
        return []

    def _lose(self, actor: _Actor, error: RayError) -> list[Job]:
        """Start another actor in the place of one that ended; return its jobs, the one it was at counted as lost."""
        if actor.known is None:
            self._failed += 1
            if self._failed >= _FAILED_STARTS * len(self._actors) or "No module named" in str(error):
                raise EnvironmentFailed(
                    f"the Ray cluster cannot start a worker ({_cause(error)}); every node needs "
                    f"`pip install '{DISTRIBUTION}[ray]=={self._version}'`"
                ) from error
        again = [job for _, job in actor.jobs]
        if again:
            again[0].lost += 1
        self._actors[self._actors.index(actor)] = self._start()
        return again

    def _start(self) -> _Actor:
        handle = self._hire()
        return _Actor(handle, handle.introduce.remote())

    def _check(self, found: Introduction) -> None:
        """Raise EnvironmentFailed for an actor whose answers would not be those of this process."""
        if found.version != self._version:
            raise EnvironmentFailed(
                f"the worker on {found.node} runs Fathom {found.version} and this is {self._version}; "
                "install the same version on every node"
            )
        if found.fingerprint != self._fingerprint:
            raise EnvironmentFailed(
                f"the worker on {found.node} has another model (fingerprint {found.fingerprint}, here "
                f"{self._fingerprint}); --model must name the same files on every node"
            )


def _replace(job: Job, instead: Sequence[Job], line: deque[Job], waiting: deque[Job]) -> None:
    """Put others in a job's place in the line, and at the head of what waits."""
    place = line.index(job)
    del line[place]
    for one in reversed(instead):
        line.insert(place, one)
        if not one.done:
            waiting.appendleft(one)


def _cause(error: RayError) -> str:
    """Return the last line of what Ray says: the rest is a trace."""
    cause = getattr(error, "cause", None) or error
    lines = [line for line in str(cause).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(cause).__name__
