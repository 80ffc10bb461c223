"""Runs and judgements to measures: a value a query, a mean with its interval, and paired comparisons.

The measures themselves are `ir-measures`'; no index is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Query → target → grade, and query → targets, best first.
Relevance = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Sequence[str]]
# Measure → query → value.
Values = Mapping[str, Mapping[str, float]]

MEASURES = ("NDCG@10", "MRR@10", "R@1", "R@5", "R@10", "R@100")
# As deep as the deepest measure looks.
DEPTH = 100
_NAMES = {"NDCG": "nDCG", "MRR": "RR"}
# Resamples of the bootstrap, and its seed: the same values give the same interval.
_RESAMPLES = 2_000
_SEED = 20
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries with its bootstrap interval."""

    value: float
    low: float
    high: float
    queries: int


def evaluate(relevance: Relevance, run: Run) -> dict[str, dict[str, float]]:
    """Return every measure for every query of `relevance`; a query that a run lacks scores 0.

    MRR@10 is the reciprocal rank of the first relevant target among ten; NDCG@10 has linear gains (trec_eval's).
    """
    import ir_measures

    parsed = {ir_measures.parse_measure(_theirs(name)): name for name in MEASURES}
    scored = {query: {target: -float(rank) for rank, target in enumerate(run.get(query, ()))} for query in relevance}
    qrels = {query: dict(grades) for query, grades in relevance.items()}
    values: dict[str, dict[str, float]] = {name: dict.fromkeys(relevance, 0.0) for name in MEASURES}
    for found in ir_measures.iter_calc(list(parsed), qrels, scored):
        values[parsed[found.measure]][found.query_id] = float(found.value)
    return values


def _theirs(name: str) -> str:
    head, _, cut = name.partition("@")
    return f"{_NAMES.get(head, head)}@{cut}"


def estimate(values: Sequence[float], level: float = _LEVEL) -> Estimate:
    """Return the mean of values with its percentile bootstrap interval; no values: all 0."""
    if not len(values):
        return Estimate(0.0, 0.0, 0.0, 0)
    exact = np.array(values, dtype=np.float64)
    low, high = _interval(exact, level)
    return Estimate(float(exact.mean()), low, high, len(exact))


def compare(left: Mapping[str, float], right: Mapping[str, float], level: float = _LEVEL) -> Estimate:
    """Return the mean of `left` − `right` over the queries both have, with its paired bootstrap interval."""
    queries = sorted(left.keys() & right.keys())
    return estimate([left[query] - right[query] for query in queries], level)


def _interval(values: NDArray[np.float64], level: float) -> tuple[float, float]:
    random = np.random.default_rng(_SEED)
    means = values[random.integers(0, len(values), (_RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
