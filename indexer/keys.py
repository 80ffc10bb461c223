"""Unit keys as ascending arrays: what both indexes ask of them. No index and no row is known here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def among(keys: NDArray[np.int64], ascending: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return, for each of a few keys, whether it is one of many that are in order (numpy's own sorts the many)."""
    if not len(ascending):
        return np.zeros(len(keys), dtype=bool)
    places = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    return np.asarray(ascending[places] == keys)
