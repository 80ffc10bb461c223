"""When something is asked again, and how long to wait before."""

from __future__ import annotations

import random
from dataclasses import dataclass

from fathom_client.errors import ConnectionFailed, FathomError, TooManyRequests, Unavailable


@dataclass(frozen=True, slots=True)
class Retries:
    """How often something is tried in all, the first pause and the longest, in seconds.

    Pauses double, and each is shortened by chance by up to a half, so that many clients do not come back together. A
    server that says when to come back (`Retry-After`) is asked then, and no more if that is after the longest pause.
    """

    attempts: int = 3
    first: float = 0.25
    longest: float = 30.0

    def pause(self, error: FathomError, tried: int) -> float | None:
        """Return the seconds to wait before the next try, after `tried` of them; None means: give up."""
        if tried >= self.attempts or not isinstance(error, (TooManyRequests, Unavailable, ConnectionFailed)):
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= self.longest else None
        return min(self.longest, self.first * 2.0 ** (tried - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
