"""Signal: how much nearer the unit's words come to the query's than those of units of its language do on average.

Code looks like other code of its own language, whatever it does: where one language is among many, that is no merit.
"""

import numpy as np

from search.ranking import late
from search.ranking.candidates import Candidates, Scores

# Candidates of no language that each language's average counts in: of one unit alone the average says nothing.
_PRIOR = 4


def signal(candidates: Candidates) -> Scores:
    """Return, for the likeliest candidates, late interaction less the average of their language's.

    The others get what the least of them has. In an index of one language the order is that of late interaction.
    """
    scores = late.signal(candidates)
    rows = list(candidates.seeds)
    if not rows:
        return scores
    found = scores[rows]
    numbers = _numbers([candidates.heads[row].language for row in rows])
    sums, counts = np.bincount(numbers, weights=found), np.bincount(numbers)
    averages = (sums + _PRIOR * found.mean()) / (counts + _PRIOR)
    beyond = found - averages[numbers]
    scores = np.full(len(scores), beyond.min())
    scores[rows] = beyond
    return scores


def _numbers(languages: list[str]) -> list[int]:
    places: dict[str, int] = {}
    return [places.setdefault(language, len(places)) for language in languages]
