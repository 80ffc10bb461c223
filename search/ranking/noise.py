"""Signal: the unit is a test, an example, a mere declaration or left over at top level: rarely what was asked for."""

import re

import numpy as np

from indexer.types import Kind
from search.ranking.candidates import Candidates, Scores

_NOISE = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|spec|examples?|benchmarks?|fixtures)/|(?:^|/)test_|_test\.|\.spec\.|\.d\.ts$"
)
# A rest of a file is noise by half: imports mostly, sometimes the answer.
_REST = 0.5


def signal(candidates: Candidates) -> Scores:
    """Return 1 for tests and examples, ½ for rests of files, unless the query asks for tests."""
    wanted = bool(candidates.terms & {"test", "exampl", "benchmark", "fixtur"})
    return np.array(
        [0.0 if wanted and head.kind != Kind.MODULE else _noise(head.path, head.kind) for head in candidates.heads]
    )


def _noise(path: str, kind: str) -> float:
    return max(float(_NOISE.search(path) is not None), _REST if kind == Kind.MODULE else 0.0)
