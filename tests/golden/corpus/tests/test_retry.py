"""Trying again: how often, how long apart, and when not at all."""

import pytest

from server.retry import CircuitBreaker, GaveUp, call_with_backoff, pause_before


def test_pauses_double_until_the_cap():
    pauses = [pause_before(attempt, jitter=lambda: 1.0) for attempt in range(10)]
    assert pauses[:3] == [0.25, 0.5, 1.0]
    assert max(pauses) == 30.0


def test_it_gives_up_after_the_last_attempt():
    slept = []

    def fails():
        raise TimeoutError("carrier did not answer")

    with pytest.raises(GaveUp):
        call_with_backoff(fails, attempts=3, sleep=slept.append)
    assert len(slept) == 2


def test_the_breaker_opens_and_lets_one_probe_through():
    now = [0.0]
    breaker = CircuitBreaker(threshold=2, cool_down=10.0, clock=lambda: now[0])
    breaker.record_failure()
    breaker.record_failure()
    assert not breaker.allows()
    now[0] = 11.0
    assert breaker.allows()
    assert not breaker.allows()
