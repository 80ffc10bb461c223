"""Signal: how much the vectors find in the whole file: units that answer together."""

import numpy as np

from search.fusion import min_max
from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return the sum of the cosines, scaled within the pool, of the candidates in each one's file."""
    if not len(candidates.files):
        return candidates.cosine
    return np.asarray(np.bincount(candidates.files, weights=min_max(candidates.cosine))[candidates.files], np.float64)
