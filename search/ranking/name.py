"""Signal: how much of the unit's own name the query says."""

from functools import lru_cache

import numpy as np

from indexer.lexical.tokens import terms
from search.ranking.candidates import Candidates, Scores

# A name of one word that a long question happens to say is no answer yet: shorter names count as this long.
_LEAST_TERMS = 3


def signal(candidates: Candidates) -> Scores:
    """Return, for each candidate, the share of its name's terms that the query has."""
    query = candidates.terms
    least = max(1, min(_LEAST_TERMS, len(query)))
    owns = [_own_terms(head.symbol) for head in candidates.heads]
    return np.array([len(own & query) / max(least, len(own)) for own in owns])


@lru_cache(maxsize=100_000)
def _own_terms(symbol: str) -> frozenset[str]:
    return frozenset(terms(symbol.rpartition(".")[2]))
