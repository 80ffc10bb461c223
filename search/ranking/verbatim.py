"""Signal: how much of pasted code stands in the unit as it was pasted: runs of terms, not terms alone."""

from collections.abc import Sequence

import numpy as np

from search.ranking.candidates import Candidates, Scores

# Terms of a run. Code of another place or language shares words, and "for i in range" with all that loop; three terms
# in a row it rarely shares.
_RUN = 3


def signal(candidates: Candidates) -> Scores:
    """Return, for the likeliest candidates, the share of the query's runs of three terms that their texts hold.

    A share of the query and not of the best candidate: where no unit holds what was pasted it says nothing.
    """
    scores = np.zeros(len(candidates.heads))
    asked = _runs(candidates.sequence)
    if asked:
        for row, found in candidates.seed_terms.items():
            scores[row] = len(asked.intersection(_runs(found))) / len(asked)
    return scores


def _runs(said: Sequence[str]) -> set[tuple[str, ...]]:
    return set(zip(*(said[start:] for start in range(_RUN)), strict=False))
