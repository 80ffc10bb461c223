"""Signal: how much of the file's own name the query says."""

from pathlib import PurePosixPath

import numpy as np

from search.ranking.candidates import Candidates, Scores
from search.ranking.overlap import share_of_name, terms_of


def signal(candidates: Candidates) -> Scores:
    """Return, for each candidate, the share of its file name's terms that the query has."""
    query = candidates.terms
    return np.array([share_of_name(terms_of(PurePosixPath(head.path).stem), query) for head in candidates.heads])
