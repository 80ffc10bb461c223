"""Signal: the unit is the head of a class or another type."""

import numpy as np

from indexer.types import Kind
from search.ranking.candidates import Candidates, Scores

_CLASS = Kind.CLASS.value


def signal(candidates: Candidates) -> Scores:
    """Return 1 for a candidate that is the head of a type."""
    return np.array([head.kind == _CLASS for head in candidates.heads], dtype=np.float64)
