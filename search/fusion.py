"""Scores of several ranked lists made comparable, and the lists made one.

Pure functions that never change what they are given; no unit, no index and no weights of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

Key = TypeVar("Key", str, int)

# The constant of the method's paper; the fused order changes little between 20 and 100.
RECIPROCAL_K = 60.0


def min_max(ranked: Sequence[tuple[Key, float]]) -> list[tuple[Key, float]]:
    """Return the list, in its order, with scores scaled so that the least is 0 and the greatest 1.

    All scores equal, as in a list of one: all 0. Raises ValueError for a score that is not finite.
    """
    scores = _finite(ranked)
    if not scores or max(scores) == min(scores):
        return [(key, 0.0) for key, _ in ranked]
    # Halves, where the range itself would overflow.
    half = 0.5 if math.isinf(max(scores) - min(scores)) else 1.0
    least = min(scores) * half
    span = max(scores) * half - least
    return [(key, (score * half - least) / span) for key, score in ranked]


def z_score(ranked: Sequence[tuple[Key, float]]) -> list[tuple[Key, float]]:
    """Return the list, in its order, with scores as deviations from the mean in standard deviations.

    All scores equal: all 0. Raises ValueError for a score that is not finite.
    """
    scores = _finite(ranked)
    if not scores or max(scores) == min(scores):
        return [(key, 0.0) for key, _ in ranked]
    # Scaled to 1 first, so that no square overflows or vanishes.
    scale = max(map(abs, scores))
    scaled = [score / scale for score in scores]
    mean = math.fsum(scaled) / len(scaled)
    deviation = math.sqrt(math.fsum((score - mean) ** 2 for score in scaled) / len(scaled))
    if deviation == 0.0:  # they differ by less than a float can square
        return [(key, 0.0) for key, _ in ranked]
    return [(key, (score - mean) / deviation) for (key, _), score in zip(ranked, scaled, strict=True)]


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
        _finite(ranked)
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


def _finite(ranked: Sequence[tuple[Key, float]]) -> list[float]:
    for key, score in ranked:
        if not math.isfinite(score):
            raise ValueError(f"the score of {key!r} is {score}, which cannot be compared")
    return [float(score) for _, score in ranked]


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
