"""The linear model: signals normalised within the query, weighted by the query's class, and summed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from search.fusion import min_max
from search.ranking import (
    bm25,
    bm25_file,
    class_head,
    covered,
    definition,
    documented,
    late,
    name,
    noise,
    rest,
    size,
    vector,
    vector_file,
)
from search.ranking.candidates import Candidates, Scores

SIGNALS: Mapping[str, Callable[[Candidates], Scores]] = {
    "bm25": bm25.signal,
    "bm25_file": bm25_file.signal,
    "vector": vector.signal,
    "vector_file": vector_file.signal,
    "name": name.signal,
    "definition": definition.signal,
    "covered": covered.signal,
    "late": late.signal,
    "documented": documented.signal,
    "size": size.signal,
    "rest": rest.signal,
    "class_head": class_head.signal,
    "noise": noise.signal,
}


# What reads the texts of the likeliest: it cannot help to tell which they are.
TEXT_SIGNALS = frozenset({"covered", "late"})


def normalised(candidates: Candidates, label: str) -> Scores:
    """Return one signal over the pool, from 0 to 1; one that is constant is 0."""
    found = candidates.known
    if label not in found:
        found[label] = min_max(SIGNALS[label](candidates))
    return found[label]


def contributions(candidates: Candidates, weights: Mapping[str, float]) -> dict[str, Scores]:
    """Return each weighted signal's contribution to the candidates' scores; they add up to the score."""
    return {label: weight * normalised(candidates, label) for label, weight in weights.items() if weight}


def total(candidates: Candidates, parts: Mapping[str, Scores]) -> Scores:
    """Return the candidates' scores: the sum of their contributions."""
    return np.sum(list(parts.values()), axis=0) if parts else np.zeros(len(candidates.heads))
