"""Signal: the unit belongs to a type: behaviour lives in methods where there are any."""

import numpy as np

from indexer.types import Kind
from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return 1 for a candidate that is a method."""
    return np.array([float(head.kind == Kind.METHOD) for head in candidates.heads])
