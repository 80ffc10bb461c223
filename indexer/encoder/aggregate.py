"""Block vectors to one vector a unit, with attention (after SEA): every unit is treated the same way, norm 1."""

from __future__ import annotations

import numpy as np

from indexer.encoder.interface import Vectors


def aggregate(blocks: Vectors, scorer: Vectors | None = None) -> Vectors:
    """Return the unit vector (dim,) of block vectors (n, dim), n ≥ 1: half their mean, half what is attended to.

    `scorer` (dim,) gives each block its score; without one all weigh the same.
    """
    if len(blocks) == 1:
        joined: Vectors = blocks[0]
    else:
        joined = blocks.mean(axis=0, dtype=np.float32)
        if scorer is not None:
            joined = np.float32(0.5) * (joined + attention(blocks, scorer) @ blocks)
    norm = np.float32(np.linalg.norm(joined))
    # Blocks that cancel out leave no direction: the first one stands for the unit.
    return np.divide(joined, norm) if norm > 0 else blocks[0].copy()


def attention(blocks: Vectors, scorer: Vectors) -> Vectors:
    """Return the share (n,) of each block: the softmax of its score."""
    scores = blocks @ scorer
    weights = np.exp(scores - scores.max())
    shares: Vectors = weights / weights.sum()
    return shares
