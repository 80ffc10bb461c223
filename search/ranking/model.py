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
    late_beyond,
    name,
    noise,
    rest,
    size,
    vector,
    vector_file,
    verbatim,
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
    "verbatim": verbatim.signal,
    "late_beyond": late_beyond.signal,
}


# What BM25 says.
BM25_SIGNALS = frozenset({"bm25", "bm25_file"})
# What reads the texts of the likeliest: it cannot help to tell which they are.
TEXT_SIGNALS = frozenset({"covered", "late", "late_beyond", "verbatim"})
# What is a share by itself: stretched to 1 within the query, little would look like all.
SHARES = frozenset({"late_beyond", "verbatim"})


def normalised(candidates: Candidates, label: str) -> Scores:
    """Return one signal over the pool, from 0 to 1; one that is constant is 0. A share counts from the least on."""
    found = candidates.known
    if label not in found:
        scores = SIGNALS[label](candidates)
        found[label] = scores - scores.min(initial=np.inf) if label in SHARES else min_max(scores)
    return found[label]


def contributions(candidates: Candidates, weights: Mapping[str, float]) -> dict[str, Scores]:
    """Return each weighted signal's contribution to the candidates' scores; they add up to the score."""
    return {label: weight * normalised(candidates, label) for label, weight in weights.items() if weight}


def total(candidates: Candidates, parts: Mapping[str, Scores]) -> Scores:
    """Return the candidates' scores: the sum of their contributions."""
    return np.sum(list(parts.values()), axis=0) if parts else np.zeros(len(candidates.heads))
