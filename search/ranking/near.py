"""Signal: how near to each other the query's words stand in the unit (after BM25's proximity variants)."""

from collections.abc import Mapping

import numpy as np

from search.ranking.candidates import Candidates, Scores

# Terms of a passage: about two lines.
_PASSAGE = 24


def signal(candidates: Candidates) -> Scores:
    """Return, for the likeliest candidates, the greatest share of the query, by rarity, within one passage."""
    rarity = candidates.rarity
    total = sum(rarity.values())
    scores = np.zeros(len(candidates.heads))
    for row, found in candidates.seed_terms.items():
        scores[row] = _best_passage(found, rarity) / total if total else 0.0
    return scores


def _best_passage(found: list[str], rarity: Mapping[str, float]) -> float:
    """Return the greatest sum of rarities of distinct terms within a window, by sliding it over the matches."""
    places = [(place, term) for place, term in enumerate(found) if term in rarity]
    counts: dict[str, int] = {}
    best = inside = 0.0
    first = 0
    for place, term in places:
        counts[term] = counts.get(term, 0) + 1
        if counts[term] == 1:
            inside += rarity[term]
        while place - places[first][0] >= _PASSAGE:
            left = places[first][1]
            counts[left] -= 1
            if not counts[left]:
                inside -= rarity[left]
            first += 1
        best = max(best, inside)
    return best
