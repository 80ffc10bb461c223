"""Signal: how much of what the query says is anywhere in the unit or its path."""

import numpy as np

from indexer.lexical.tokens import terms
from search.ranking.candidates import Candidates, Scores
from search.ranking.overlap import share_of_query, terms_of


def signal(candidates: Candidates) -> Scores:
    """Return, for the likeliest candidates, the share of the query's terms, by rarity, that text or path have."""
    scores = np.zeros(len(candidates.heads))
    for row, text in candidates.seeds.items():
        found = terms_of(candidates.heads[row].path) | set(terms(text))
        scores[row] = share_of_query(found, candidates.rarity)
    return scores
