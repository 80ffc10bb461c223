"""The learned score of a block: which blocks of a long unit its vector attends to (after SEA's one-layer attention).

The blocks' vectors stay as they are; what is learned is one direction, by contrast against the units' questions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from indexer.encoder.interface import Vectors

# Fitted at once: a few thousand units fit in memory, and one direction needs no more.
_STEPS = 300
_BATCH = 256
_RATE = 0.05
_SCALE = 20.0


def fit_scorer(blocks: Sequence[Vectors], queries: Vectors, seed: int = 7) -> Vectors:
    """Return the direction (dim,) whose product with a block's vector is its score.

    `blocks` are each unit's block vectors (n, dim), n ≥ 2, `queries` (units, dim) the vectors of their questions.
    """
    longest = max(map(len, blocks))
    padded = torch.zeros(len(blocks), longest, queries.shape[1])
    mask = torch.zeros(len(blocks), longest, dtype=torch.bool)
    for row, vectors in enumerate(blocks):
        padded[row, : len(vectors)] = torch.from_numpy(vectors)
        mask[row, : len(vectors)] = True
    asked = torch.from_numpy(queries)
    scorer = torch.zeros(queries.shape[1], requires_grad=True)
    optimiser = torch.optim.Adam([scorer], lr=_RATE)
    random = np.random.default_rng(seed)
    for step in range(_STEPS):
        rows = torch.from_numpy(random.choice(len(blocks), size=min(_BATCH, len(blocks)), replace=False))
        units = _joined(padded[rows], mask[rows], scorer)
        logits = _SCALE * asked[rows] @ units.T
        own = torch.arange(len(rows))
        loss = functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (1 - step / _STEPS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found: Vectors = scorer.detach().numpy()
    return found


def _joined(blocks: Tensor, mask: Tensor, scorer: Tensor) -> Tensor:
    """Return unit vectors as `indexer.encoder.aggregate` makes them."""
    shares = (blocks @ scorer).masked_fill(~mask, -torch.inf).softmax(1)
    mean = blocks.sum(1) / mask.sum(1, keepdim=True)
    return functional.normalize((torch.einsum("nb,nbd->nd", shares, blocks) + mean) / 2, dim=1)
