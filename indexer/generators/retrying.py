"""When a request that failed is worth another try, and after how long. Nothing waits here."""

from __future__ import annotations

import random

from indexer.generators.interface import Busy, GenerationFailed, Unreachable

# Seconds before the second attempt; each further pause is twice as long, up to the longest.
_FIRST, _LONGEST = 0.25, 8.0


def pause_before(attempt: int, failure: GenerationFailed) -> float | None:
    """Return the seconds to wait after the `attempt`th failure (from 1), None where another try cannot help.

    A server that says how long to wait is believed; else the pause doubles, and up to a quarter of it is left out at
    random, so that many who wait do not come back together.
    """
    if isinstance(failure, Busy) and failure.retry_after is not None:
        return failure.retry_after
    if not isinstance(failure, Busy | Unreachable):
        return None
    return min(_LONGEST, _FIRST * 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.0)  # noqa: S311 - no secret
