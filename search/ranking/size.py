"""Signal: how long the unit is: a line or two rarely answers."""

import numpy as np

from search.ranking.candidates import Candidates, Scores

# Lines beyond which more say no more.
_LONG = 50


def signal(candidates: Candidates) -> Scores:
    """Return, for each candidate, the logarithm of its lines as a share of a long unit's."""
    lines = np.array([head.end_line - head.start_line + 1 for head in candidates.heads], dtype=np.float64)
    return np.asarray(np.log(np.minimum(lines, _LONG)) / np.log(_LONG))
