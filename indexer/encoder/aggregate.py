"""Block vectors to one vector a unit: every unit is treated the same way and has norm 1."""

from __future__ import annotations

import numpy as np

from indexer.encoder.interface import Vectors


def aggregate(blocks: Vectors) -> Vectors:
    """Return the normalised mean (dim,) of block vectors (n, dim), n ≥ 1."""
    mean: Vectors = blocks.mean(axis=0) if len(blocks) > 1 else blocks[0]
    norm = np.float32(np.linalg.norm(mean))
    # Blocks that cancel out leave no direction: the first one stands for the unit.
    return np.divide(mean, norm) if norm > 0 else blocks[0].copy()
