"""Exit 0: a table of token vectors, fitted by contrast against query vectors that stay as they are.

No transformer runs while it learns, so batches are large and passes cheap. A text's vector is the normalised weighted
sum of its tokens' rows (`indexer.encoder.static`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from indexer.encoder.interface import Vectors
from indexer.progress import Progress, Report, silent
from indexer.training.pairs import Pairs
from indexer.training.recipe import LossPart, StaticPart


@dataclass(frozen=True, slots=True)
class _Texts:
    """Texts for an embedding bag: token ids joined, what each weighs, and where each text begins."""

    flat: Tensor
    weights: Tensor
    starts: Tensor


class TokenTable(nn.Module):
    """A vector a token; a text is their normalised weighted sum."""

    def __init__(self, start: Vectors) -> None:
        """`start` (words, dim) are the first values."""
        super().__init__()
        self.bag = nn.EmbeddingBag.from_pretrained(torch.from_numpy(start.copy()), freeze=False, mode="sum")

    def forward(self, texts: _Texts) -> Tensor:
        """Return vectors (n, dim) of norm 1."""
        vectors: Tensor = functional.normalize(self.bag(texts.flat, texts.starts, texts.weights), dim=1)
        return vectors


def first_table(tokens: Vectors, pairs: Pairs) -> Vectors:
    """Return the table (words, dim) to start from: each token's own vector, weighed by how rarely codes have it.

    `tokens` (words, dim) are the deepest exit's vectors of single tokens.
    """
    seen = np.bincount(pairs.codes.flat, minlength=len(tokens)) + np.bincount(pairs.queries.flat, minlength=len(tokens))
    share = seen / max(1, seen.sum())
    # Smooth inverse frequency (Arora and others, 2017).
    weight = (1e-3 / (1e-3 + share)).astype(np.float32)
    centred = tokens - tokens.mean(axis=0)
    return np.asarray(centred * weight[:, None], dtype=np.float32)


def fit_table(
    start: Vectors,
    pairs: Pairs,
    queries: NDArray[np.float16],
    recipe: StaticPart,
    loss: LossPart,
    *,
    rows: NDArray[np.int64] | None = None,
    report: Report = silent,
) -> Vectors:
    """Return the fitted table (words, dim). `queries` (n, dim) are the pairs' query vectors at the deepest exit.

    `rows` are the pairs to learn from; all by default. Each code is seen as it is, or with its name before it, or in
    its normal form, in turn; that of a written query sometimes with its documentation.
    """
    model = TokenTable(start)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.rate)
    chosen = np.arange(len(pairs)) if rows is None else rows
    per_epoch = max(1, len(chosen) // recipe.batch)
    total, step = recipe.epochs * per_epoch, 0
    for epoch in range(recipe.epochs):
        random = np.random.default_rng([recipe.seed, epoch])
        order = random.permutation(chosen)
        for number in range(per_epoch):
            batch = order[number * recipe.batch : (number + 1) * recipe.batch]
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate * (1 - step / total)
            codes = model(_shaped(random, pairs, batch, recipe))
            target = torch.from_numpy(queries[batch].astype(np.float32))
            unit = torch.from_numpy(pairs.unit[batch])
            same = (target @ target.T > loss.same) | (unit[:, None] == unit)
            same.fill_diagonal_(False)
            logits = (loss.scale * codes @ target.T).masked_fill(same, -torch.inf)
            own = torch.arange(len(batch))
            value = functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            step += 1
            report(Progress(f"Static exit, loss {value.item():.3f}", step, total, "steps"))
    table: Vectors = model.bag.weight.detach().numpy()
    return table


def _shaped(random: np.random.Generator, pairs: Pairs, rows: NDArray[np.int64], recipe: StaticPart) -> _Texts:
    """Return codes for a bag, each in one of its shapes."""
    texts = []
    for row, choice, documented in zip(rows, random.random(len(rows)), random.random(len(rows)), strict=True):
        parts = [pairs.normals[row] if choice < 0.25 else pairs.codes[row]]
        if pairs.written[row] and documented < recipe.documented:
            parts.insert(0, pairs.documentation[row])
        if 0.1 < choice < 0.6:
            parts.insert(0, pairs.names[row])
        texts.append(np.concatenate(parts).astype(np.int32))
    made = recipe.pooling().weigh(texts)
    return _Texts(*map(torch.from_numpy, (made.tokens, made.weights, made.starts[:-1])))
