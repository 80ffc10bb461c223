"""Signal: the unit says what it is for."""

import numpy as np

from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return 1 for a candidate that has a docstring."""
    return np.array([head.documented for head in candidates.heads], dtype=np.float64)
