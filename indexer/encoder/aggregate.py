"""Block vectors to one vector a unit: every unit is treated the same way and has norm 1."""

from __future__ import annotations

import numpy as np

from indexer.encoder.interface import Vectors


def aggregate(blocks: Vectors) -> Vectors:
    """Return the normalised mean (dim,) of block vectors (n, dim), n ≥ 1."""
    if len(blocks) == 1:
        return blocks[0] / np.linalg.norm(blocks[0])
    mean = blocks.mean(axis=0)
    norm = float(np.linalg.norm(mean))
    return mean / norm if norm > 0 else blocks[0]
