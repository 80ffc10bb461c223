"""The linear model: signals normalised within the query, weighted by the query's class, and summed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from search.classes import QueryClass
from search.fusion import min_max
from search.ranking import bm25, definition, name, noise, vector
from search.ranking.candidates import Candidates, Scores

SIGNALS: Mapping[str, Callable[[Candidates], Scores]] = {
    "bm25": bm25.signal,
    "vector": vector.signal,
    "name": name.signal,
    "definition": definition.signal,
    "noise": noise.signal,
}

# What the two indexes weigh without code-aware signals (`--no-rank`).
FUSION_WEIGHTS: Mapping[QueryClass, Mapping[str, float]] = {
    QueryClass.SYMBOL: {"bm25": 0.7, "vector": 0.3},
    QueryClass.LANGUAGE: {"bm25": 0.2, "vector": 0.8},
    QueryClass.CODE: {"bm25": 0.4, "vector": 0.6},
}
# Set by hand until weights are fitted: a definition must lead for a symbol, words decide otherwise.
RANKING_WEIGHTS: Mapping[QueryClass, Mapping[str, float]] = {
    QueryClass.SYMBOL: {"bm25": 0.6, "vector": 0.2, "name": 0.3, "definition": 1.0, "noise": -0.15},
    QueryClass.LANGUAGE: {"bm25": 0.25, "vector": 0.75, "name": 0.12, "definition": 0.3, "noise": -0.12},
    QueryClass.CODE: {"bm25": 0.4, "vector": 0.6, "name": 0.05, "definition": 0.0, "noise": -0.05},
}


def contributions(candidates: Candidates, weights: Mapping[str, float]) -> dict[str, Scores]:
    """Return each weighted signal's contribution to the candidates' scores; they add up to the score."""
    return {label: weight * min_max(SIGNALS[label](candidates)) for label, weight in weights.items() if weight}
