"""Signal: the unit is what is left of a file: imports and constants mostly."""

import numpy as np

from indexer.types import Kind
from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return 1 for a candidate that is no definition: the rest of a file, or a section of a document."""
    return np.array([float(head.kind in (Kind.MODULE, Kind.SECTION)) for head in candidates.heads])
