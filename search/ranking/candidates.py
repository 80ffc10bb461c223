"""What signals look at: the candidates of one query, as arrays of equal length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.store.interface import Head

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Candidates:
    """The pool of one query: heads, raw BM25 scores and cosines (0 where an index did not find the unit).

    `terms` are the query's terms, `names` its identifier-like words, lower-cased and joined.
    """

    heads: Sequence[Head]
    bm25: Scores
    cosine: Scores
    terms: frozenset[str]
    names: frozenset[str]
