"""Signal: how long the unit is beside the others of its file: a line or two rarely answers."""

import numpy as np

from search.ranking.candidates import Candidates, Scores

# Lines beyond which more say no more.
_LONG = 50


def signal(candidates: Candidates) -> Scores:
    """Return, for each candidate, the logarithm of its lines as a share of a long unit's.

    A unit that is its whole file, as a record of a corpus is, was chosen by whoever made the file: its length says
    nothing, and it counts as the others do on average.
    """
    lines = np.array([head.end_line - head.start_line + 1 for head in candidates.heads], dtype=np.float64)
    sizes = np.log(np.minimum(lines, _LONG)) / np.log(_LONG)
    whole = candidates.whole_file
    sizes[whole] = sizes[~whole].mean() if not whole.all() else 0.0
    return np.asarray(sizes)
