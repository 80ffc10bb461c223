"""Signal: the unit defines the very symbol that the query names."""

import numpy as np

from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return 1 for a candidate whose name, or qualified name, is an identifier of the query."""
    plain = candidates.names - {""}
    if not plain:
        return np.zeros(len(candidates.heads))
    qualified = tuple(f".{name}" for name in plain if "." in name)
    symbols = [head.symbol.lower() for head in candidates.heads]
    named = np.array([symbol.rpartition(".")[2] in plain for symbol in symbols], dtype=np.float64)
    if qualified:
        named[[f".{symbol}".endswith(qualified) for symbol in symbols]] = 1.0
    return named
