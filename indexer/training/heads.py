"""Where the heads of the inner exits start: one frozen pass of the trunk, and the heads that come nearest by it.

Untrained, an inner exit is worth a third of the deepest one; fitted so, training begins in the right space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from indexer.encoder.interface import Ids
from indexer.training.model import MultiExit
from indexer.training.pairs import Pairs

# What encodes texts at every exit, as training does.
Encode = Callable[[Sequence[Ids]], dict[int, torch.Tensor]]
# Pairs whose texts the heads are fitted to, and texts encoded at a time.
_TEXTS = 2_000
_CHUNK = 64
# Weight of small heads against near ones.
_RIDGE = 1e-2


def initialise_exits(model: MultiExit, encode: Encode, pairs: Pairs, code_tokens: int) -> None:
    """Set each inner head to the linear map that brings its means nearest to the deepest exit's vectors.

    Some codes and as many queries, spread over the pairs, are encoded once.
    """
    rows = np.linspace(0, len(pairs) - 1, num=min(_TEXTS, len(pairs)), dtype=np.int64)
    chosen = [pairs.codes[row][:code_tokens].astype(np.int32) for row in rows]
    chosen += [pairs.queries[row].astype(np.int32) for row in rows]
    model.eval()
    parts: dict[int, list[torch.Tensor]] = {depth: [] for depth in model.depths}
    with torch.no_grad(), torch.autocast(model.words.weight.device.type, torch.bfloat16):
        for first in range(0, len(chosen), _CHUNK):
            # A new head gives the plain mean, at norm 1: a map without a constant does not mind.
            for depth, vectors in encode(chosen[first : first + _CHUNK]).items():
                parts[depth].append(vectors.double())
    target = torch.cat(parts[model.depths[-1]])
    for depth in model.depths[:-1]:
        means = torch.cat(parts[depth])
        ridge = _RIDGE * torch.eye(means.shape[1], dtype=means.dtype, device=means.device)
        solved = torch.linalg.solve(means.T @ means + ridge, means.T @ target)
        with torch.no_grad():
            model.exits[str(depth)].head.weight[:, : means.shape[1]].copy_(solved.T)
