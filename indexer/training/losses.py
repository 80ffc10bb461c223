"""What training asks of the exits: each its own contrast, and all of them the deepest one's space.

Deep supervision after ModularStarEncoder (a weight an exit); to it we add distillation from the deepest exit, and
queries of the untouched base model as anchors and as many more negatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from indexer.training.recipe import LossPart


@dataclass(frozen=True, slots=True)
class Seen:
    """A batch as the model sees it: vectors of norm 1, (n, dim) at each exit.

    `frozen` (n, dim) and `others` (m, dim) are the base model's query vectors of the batch and of more pairs,
    `answered` (n, m) tells which of those ask for the same code, `anchors` (k, dim) are its vectors of the codes in
    `anchored` (k,), `package` (n,) tells which repository a pair is of.
    """

    codes: Mapping[int, Tensor]
    queries: Mapping[int, Tensor]
    frozen: Tensor
    others: Tensor
    answered: Tensor
    anchors: Tensor
    anchored: Tensor
    package: Tensor


def losses(seen: Seen, recipe: LossPart) -> dict[str, Tensor]:
    """Return the weighted terms; their sum is the loss."""
    deepest = max(seen.codes)
    same = _same(seen.frozen, seen.frozen, recipe.same, diagonal=True)
    other = _same(seen.frozen, seen.others, recipe.same, diagonal=False) | seen.answered
    total = sum(recipe.exits.values())
    terms: dict[str, Tensor] = {}
    for depth, weight in recipe.exits.items():
        share = weight / total
        live = recipe.scale * seen.codes[depth] @ seen.queries[deepest].T
        anchored = recipe.scale * seen.codes[depth] @ torch.cat([seen.frozen, seen.others]).T
        contrast = _contrast(live, same) + _contrast(live.T, same.T) + _contrast(anchored, torch.cat([same, other], 1))
        terms[f"contrast {depth}"] = share * contrast / 3
        if depth != deepest:
            for side in (seen.codes, seen.queries):
                near, deep = side[depth], side[deepest].detach()
                _add(terms, f"vectors {depth}", recipe.vectors * share * (1 - (near * deep).sum(1)).mean())
            target = (recipe.scale * seen.codes[deepest] @ seen.queries[deepest].T).detach()
            _add(terms, f"similarities {depth}", recipe.similarities * share * _divergence(live, target))
    terms["base"] = recipe.base * (1 - (seen.queries[deepest] * seen.frozen).sum(1)).mean()
    if len(seen.anchored):
        near = seen.codes[deepest][seen.anchored]
        terms["anchor"] = recipe.anchor * (1 - (near * seen.anchors).sum(1)).sum() / len(seen.package)
    if recipe.repository:
        terms["repository"] = recipe.repository * _repository(seen.codes[deepest], seen.package)
    return terms


def _add(terms: dict[str, Tensor], name: str, value: Tensor) -> None:
    terms[name] = terms[name] + value if name in terms else value


def _same(left: Tensor, right: Tensor, least: float, *, diagonal: bool) -> Tensor:
    """Tell which pairs ask the same, apart from each one with itself."""
    same = left @ right.T > least
    if diagonal:
        same.fill_diagonal_(False)
    return same


def _contrast(logits: Tensor, same: Tensor) -> Tensor:
    """Return the cross entropy of each row's own column, without those that ask the same."""
    own = torch.arange(len(logits), device=logits.device)
    return functional.cross_entropy(logits.masked_fill(same, -torch.inf), own)


def _divergence(logits: Tensor, target: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of rows and columns from the target's."""
    rows = functional.kl_div(logits.log_softmax(1), target.softmax(1), reduction="batchmean")
    columns = functional.kl_div(logits.T.log_softmax(1), target.T.softmax(1), reduction="batchmean")
    return (rows + columns) / 2


def _repository(codes: Tensor, package: Tensor) -> Tensor:
    """Return how badly cosines tell the pairs of one repository from those of two."""
    upper = torch.triu(torch.ones(len(codes), len(codes), dtype=torch.bool, device=codes.device), 1)
    together = (package[:, None] == package[None, :])[upper]
    if together.all() or not together.any():
        return codes.sum() * 0
    cosines = (codes @ codes.T)[upper]
    # Both kinds weigh the same, however many there are.
    weight = torch.where(together, 0.5 / together.sum(), 0.5 / (~together).sum())
    errors = functional.binary_cross_entropy_with_logits(8 * (cosines - 0.25), together.float(), reduction="none")
    return (errors * weight).sum()
