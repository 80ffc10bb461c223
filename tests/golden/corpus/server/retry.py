"""Calls to carriers fail now and then: try again, later each time, and leave alone a carrier that is down."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0


class GaveUp(Exception):
    """Every attempt failed; the cause is what the last one raised."""


def pause_before(attempt: int, jitter: Callable[[], float] = random.random) -> float:
    """Return how many seconds to sleep: doubled each time, capped, and spread at random."""
    ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
    return ceiling * jitter()


def call_with_backoff(
    action: Callable[[], T],
    attempts: int = 5,
    transient: tuple[type[Exception], ...] = (ConnectionError, TimeoutError),
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Run an action until it succeeds; only transient errors are tried again."""
    for attempt in range(attempts):
        try:
            return action()
        except transient as error:
            if attempt + 1 == attempts:
                raise GaveUp(f"gave up after {attempts} attempts") from error
            sleep(pause_before(attempt))
    raise ValueError("attempts must be at least 1")


class CircuitBreaker:
    """Refuses calls for a while once too many in a row have failed."""

    def __init__(self, threshold: int = 5, cool_down: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.threshold = threshold
        self.cool_down = cool_down
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None

    def allows(self) -> bool:
        """Tell whether a call may be made now; after the cool-down one is let through as a probe."""
        if self._opened_at is None:
            return True
        if self._clock() - self._opened_at >= self.cool_down:
            self._opened_at = self._clock()
            return True
        return False

    def record_success(self) -> None:
        self._failures = 0
        self._opened_at = None

    def record_failure(self) -> None:
        self._failures += 1
        if self._failures >= self.threshold and self._opened_at is None:
            self._opened_at = self._clock()


def send_until_accepted(send: Callable[[], bool], tries: int = 3) -> bool:
    """Deprecated since 2.0: use `call_with_backoff`, which does not hammer the carrier.

    Sends up to three times without a pause and tells whether one was accepted.
    """
    warnings.warn("send_until_accepted is deprecated; use call_with_backoff", DeprecationWarning, stacklevel=2)
    return any(send() for _ in range(tries))
