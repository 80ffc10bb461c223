"""The multi-exit encoder in torch: a BERT trunk, and at each exit a pooling of its own and a projection head.

The exits after ModularStarEncoder (one model, several depths, one space); pooling and heads are ours. Training and the
encoder on a GPU need this; what is shipped is exported to ONNX (`indexer.training.export`), layer by layer the same
sums.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch.nn import functional

from indexer.encoder.interface import Ids
from indexer.training.shape import Shape, read_shape
from indexer.training.trunk import trunk


class Layer(nn.Module):
    """One transformer layer of BERT: attention and a feed-forward net, each normalised after its sum."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        hidden = shape.hidden
        self.heads = shape.heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)
        self.out_norm = nn.LayerNorm(hidden, eps=shape.epsilon)
        self.up = nn.Linear(hidden, 4 * hidden)
        self.down = nn.Linear(4 * hidden, hidden)
        self.down_norm = nn.LayerNorm(hidden, eps=shape.epsilon)

    def forward(self, state: Tensor, mask: Tensor) -> Tensor:
        """Return the next state (n, tokens, hidden); `mask` (n, 1, 1, tokens) is True where there is a token."""
        n, tokens, hidden = state.shape
        parts = self.qkv(state).view(n, tokens, 3, self.heads, hidden // self.heads).permute(2, 0, 3, 1, 4)
        # Written out: on a processor it takes a third of the time of torch's fused attention with a mask.
        scores = torch.matmul(parts[0] * (hidden // self.heads) ** -0.5, parts[1].transpose(2, 3))
        attended = torch.matmul(scores.masked_fill(~mask, -torch.inf).softmax(3), parts[2])
        state = self.out_norm(state + self.out(attended.transpose(1, 2).reshape(n, tokens, hidden)))
        normed: Tensor = self.down_norm(state + self.down(functional.gelu(self.up(state))))
        return normed


class Exit(nn.Module):
    """Token states to one vector: their mean and a mean weighted by a learned score, through a linear head.

    It starts as the plain mean, so that the deepest exit starts as the base model.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.score = nn.Linear(hidden, 1)
        self.head = nn.Linear(2 * hidden, hidden)
        with torch.no_grad():
            self.score.weight.zero_()
            self.score.bias.zero_()
            self.head.weight.copy_(torch.cat([torch.eye(hidden), torch.zeros(hidden, hidden)], dim=1))
            self.head.bias.zero_()

    def forward(self, state: Tensor, mask: Tensor) -> Tensor:
        """Return vectors (n, hidden) of norm 1 for states (n, tokens, hidden); `mask` (n, tokens)."""
        with torch.autocast(state.device.type, enabled=False):
            state = state.float()
            kept = mask.unsqueeze(2).to(state.dtype)
            mean = (state * kept).sum(1) / kept.sum(1)
            scores = self.score(state).masked_fill(~mask.unsqueeze(2), -torch.inf)
            weighted = (state * scores.softmax(1)).sum(1)
            return functional.normalize(self.head(torch.cat([mean, weighted], dim=1)), dim=1)


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of one forward pass: `ids` (n, tokens) int64, padded with 0, and `mask`, True where there is a token."""

    ids: Tensor
    mask: Tensor


def padded(texts: Sequence[Ids], special: tuple[int, int], device: torch.device, step: int = 1) -> Batch:
    """Return texts, begun and ended by the `special` ids, padded to the longest, rounded up to a multiple of `step`."""
    width = -(-(max(map(len, texts)) + 2) // step) * step
    ids = np.zeros((len(texts), width), dtype=np.int64)
    for row, text in zip(ids, texts, strict=True):
        row[0], row[1 : len(text) + 1], row[len(text) + 1] = special[0], text, special[1]
    lengths = np.array([len(text) + 2 for text in texts])
    mask = np.arange(width) < lengths[:, None]
    return Batch(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))


class MultiExit(nn.Module):
    """The trunk and its exits; depths ascend, the last one is the whole trunk."""

    def __init__(self, shape: Shape, depths: Sequence[int]) -> None:
        super().__init__()
        if list(depths) != sorted(set(depths)) or depths[0] < 1 or depths[-1] != shape.layers:
            raise ValueError(f"exits {list(depths)}: they must ascend and end with the last of {shape.layers} layers")
        self.shape = shape
        self.depths = tuple(depths)
        self.words = nn.Embedding(shape.words, shape.hidden)
        self.places = nn.Embedding(shape.positions, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.exits = nn.ModuleDict({str(depth): Exit(shape.hidden) for depth in depths})

    def forward(self, batch: Batch, deepest: int | None = None) -> dict[int, Tensor]:
        """Return each exit's vectors (n, hidden) of norm 1, up to depth `deepest`."""
        state = self.norm(self.words(batch.ids) + self.places.weight[: batch.ids.shape[1]])
        wide = batch.mask[:, None, None, :]
        vectors: dict[int, Tensor] = {}
        for depth, layer in enumerate(self.layers, 1):
            state = layer(state, wide)
            if depth in self.depths:
                vectors[depth] = self.exits[str(depth)](state, batch.mask)
            if depth == deepest:
                break
        return vectors


def from_base(folder: Path, depths: Sequence[int]) -> MultiExit:
    """Return a model whose trunk is the BERT-like Sentence Transformers model in `folder`."""
    shape = read_shape(json.loads((folder / "config.json").read_text()))
    model = MultiExit(shape, depths)
    found = trunk(load_file(folder / "model.safetensors"), shape)
    weights = {name: torch.from_numpy(value) for name, value in found.items()}
    missing = model.load_state_dict(weights, strict=False).missing_keys
    if any(not name.startswith("exits.") for name in missing):
        raise ValueError(f"the model in {folder} lacks {', '.join(missing)}")
    return model
