"""Signal: how much of what the query says is anywhere in the unit or its path."""

import numpy as np

from search.ranking.candidates import Candidates, Scores
from search.ranking.overlap import name_terms, share_of_query


def signal(candidates: Candidates) -> Scores:
    """Return, for the likeliest candidates, the share of the query's terms, by rarity, that text or path have."""
    scores = np.zeros(len(candidates.heads))
    for row, found in candidates.seed_terms.items():
        said = name_terms(candidates.heads[row].path).union(found)
        scores[row] = share_of_query(said, candidates.rarity)
    return scores
