"""Signal: the file declares and does not do: type stubs and declaration files."""

import re

import numpy as np

from search.ranking.candidates import Candidates, Scores

_DECLARATIONS = re.compile(r"\.d\.[cm]?ts$|\.pyi$|\.(?:h|hh|hpp|hxx)$")


def signal(candidates: Candidates) -> Scores:
    """Return 1 for a candidate in a file of declarations."""
    return np.array([float(_DECLARATIONS.search(head.path) is not None) for head in candidates.heads])
