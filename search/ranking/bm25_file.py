"""Signal: how much BM25 finds in the whole file: units that answer together."""

import numpy as np

from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return the sum of the BM25 scores of the candidates in each one's file."""
    if not len(candidates.files):
        return candidates.bm25
    return np.asarray(np.bincount(candidates.files, weights=candidates.bm25)[candidates.files], np.float64)
