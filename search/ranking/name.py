"""Signal: how much of the unit's own name the query says."""

import numpy as np

from indexer.lexical.tokens import terms
from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return, for each candidate, the share of its name's terms that the query has."""
    return np.array([_overlap(head.symbol, candidates.terms) for head in candidates.heads])


def _overlap(symbol: str, query: frozenset[str]) -> float:
    own = set(terms(symbol.rpartition(".")[2]))
    return len(own & query) / len(own) if own else 0.0
