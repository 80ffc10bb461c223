"""Scores of several ranked lists made comparable, and the lists made one.

Pure functions that never change what they are given; no unit, no index and no weights of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key", str, int)

# The constant of the method's paper; the fused order changes little between 20 and 100.
RECIPROCAL_K = 60.0


def min_max(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (n,) scores scaled so that the least is 0 and the greatest 1; all equal: all 0.

    Raises ValueError for a score that is not finite.
    """
    exact = _exact(scores)
    if not exact.size or exact.min() == exact.max():
        return np.zeros_like(exact)
    scaled = _scaled(exact)
    scaled -= scaled.min()
    return _quotient(scaled, scaled.max())


def z_score(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (n,) scores as deviations from their mean in standard deviations; all equal: all 0.

    Raises ValueError for a score that is not finite.
    """
    exact = _exact(scores)
    if not exact.size or exact.min() == exact.max():
        return np.zeros_like(exact)
    scaled = _scaled(exact)
    scaled -= scaled.mean()
    return _quotient(scaled, scaled.std())


def weighted_sum(lists: Sequence[Sequence[tuple[Key, float]]], weights: Sequence[float]) -> list[tuple[Key, float]]:
    """Return all keys, best first, each with the sum of its scores times their lists' weights.

    A key that a list lacks gets 0 from it: after `min_max`, the score of that list's last. Equal
    scores are in the order of their keys. Raises ValueError for weights that do not fit the lists,
    numbers that are not finite and a key that is twice in one list.
    """
    if len(lists) != len(weights):
        raise ValueError(f"{len(lists)} lists need as many weights, not {len(weights)}")
    if not all(map(math.isfinite, weights)):
        raise ValueError(f"weights must be finite numbers, not {list(weights)}")
    for ranked in lists:
        _check_finite(ranked)
    shares = [[(key, weight * score) for key, score in ranked] for ranked, weight in zip(lists, weights, strict=True)]
    return _summed(shares)


def reciprocal_rank(lists: Sequence[Sequence[tuple[Key, float]]], k: float = RECIPROCAL_K) -> list[tuple[Key, float]]:
    """Return all keys, best first, each with the sum of 1 / (k + rank) over the lists that have it.

    Lists are best first; their scores are not looked at; the first rank is 1. Equal scores are in
    the order of their keys. Raises ValueError for a negative k and a key that is twice in one list.
    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion", SIGIR 2009.
    """
    if not (math.isfinite(k) and k >= 0):
        raise ValueError(f"k must be a number of at least 0, not {k}")
    return _summed([[(key, 1.0 / (k + rank)) for rank, (key, _) in enumerate(ranked, 1)] for ranked in lists])


def _exact(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    exact = np.array(scores, dtype=np.float64)
    if not np.isfinite(exact).all():
        at = int(np.flatnonzero(~np.isfinite(exact))[0])
        raise ValueError(f"score {at} is {exact[at]}, which cannot be compared")
    return exact


def _scaled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    # By a power of two, which rounds nothing: no range or square of the result overflows or vanishes.
    _, exponent = np.frexp(np.abs(scores).max())
    scaled: NDArray[np.float64] = np.ldexp(scores, -exponent)
    return scaled


def _quotient(scores: NDArray[np.float64], divisor: np.float64) -> NDArray[np.float64]:
    # The divisor is 0 where scores differ by less than a float can hold once scaled.
    return scores / divisor if divisor > 0 else np.zeros_like(scores)


def _check_finite(ranked: Sequence[tuple[Key, float]]) -> None:
    for key, score in ranked:
        if not math.isfinite(score):
            raise ValueError(f"the score of {key!r} is {score}, which cannot be compared")


def _summed(lists: Sequence[Sequence[tuple[Key, float]]]) -> list[tuple[Key, float]]:
    shares: dict[Key, list[float]] = {}
    for ranked in lists:
        for key, score in _distinct(ranked):
            shares.setdefault(key, []).append(score)
    # fsum is exact, so the order of the lists cannot change a sum and with it a tie.
    totals = [(key, math.fsum(scores)) for key, scores in shares.items()]
    return sorted(totals, key=lambda pair: (-pair[1], pair[0]))


def _distinct(ranked: Sequence[tuple[Key, float]]) -> Iterator[tuple[Key, float]]:
    seen: set[Key] = set()
    for key, score in ranked:
        if key in seen:
            raise ValueError(f"{key!r} is twice in one list")
        seen.add(key)
        yield key, score
