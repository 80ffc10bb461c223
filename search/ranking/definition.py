"""Signal: the unit defines the very symbol that the query names."""

import numpy as np

from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return 1 for a candidate whose name, or qualified name, is an identifier of the query."""
    return np.array([float(_defines(head.symbol, candidates.names)) for head in candidates.heads])


def _defines(symbol: str, names: frozenset[str]) -> bool:
    qualified = symbol.lower()
    last = qualified.rpartition(".")[2]
    return bool(symbol) and (last in names or qualified in names or any(qualified.endswith(f".{n}") for n in names))
