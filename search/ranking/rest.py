"""Signal: the unit is what is left of a file: imports and constants mostly."""

import numpy as np

from indexer.types import Kind
from search.ranking.candidates import Candidates, Scores

_REST = (Kind.MODULE.value, Kind.SECTION.value)


def signal(candidates: Candidates) -> Scores:
    """Return 1 for a candidate that is no definition: the rest of a file, or a section of a document."""
    return np.array([head.kind in _REST for head in candidates.heads], dtype=np.float64)
