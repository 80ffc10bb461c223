"""Signal: other likely candidates use the unit by its name: what is called from good hits is near the answer."""

from collections import Counter

import numpy as np

from search.ranking.candidates import Candidates, Scores


def signal(candidates: Candidates) -> Scores:
    """Return, for each candidate, how likely the candidates are whose text says its name, shared with its namesakes."""
    names = [head.symbol.rpartition(".")[2] for head in candidates.heads]
    namesakes = Counter(names)
    used: dict[str, float] = {}
    for row, said in candidates.seed_words.items():
        for name in sorted(namesakes.keys() & set(said) - {names[row]}):
            used[name] = used.get(name, 0.0) + float(candidates.likelihood[row])
    return np.array([used.get(name, 0.0) / namesakes[name] for name in names])
