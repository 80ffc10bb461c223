"""Signal: the unit is a test, an example or a benchmark: rarely what was asked for."""

import re

import numpy as np

from search.ranking.candidates import Candidates, Scores

_NOISE = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|specs?|examples?|samples?|demos?|benchmarks?|fixtures|mocks?)/"
    r"|(?:^|/)(?:test|bench)_|(?:_test|_spec|\.spec|\.test|_bench|Tests?)\.\w+$|(?:^|/)conftest\.py$"
)
# A query that says one of these asks for such code.
_ASKED = frozenset({"test", "exampl", "benchmark", "fixtur", "mock", "spec", "sampl", "demo"})


def signal(candidates: Candidates) -> Scores:
    """Return 1 for a candidate under a path of tests or examples, unless the query asks for them."""
    if candidates.terms & _ASKED:
        return np.zeros(len(candidates.heads))
    return candidates.by_path(lambda path: float(_NOISE.search(path) is not None))
