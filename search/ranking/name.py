"""Signal: how much of what the query says is in the unit's qualified name."""

import numpy as np

from search.ranking.candidates import Candidates, Scores
from search.ranking.overlap import name_terms, share_of_query


def signal(candidates: Candidates) -> Scores:
    """Return, for each candidate, the share of the query's terms, by rarity, that its qualified name has."""
    rarity = candidates.rarity
    return np.array([share_of_query(name_terms(head.symbol), rarity) for head in candidates.heads])
