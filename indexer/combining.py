"""A unit's code, its rewritings and its purpose, combined: one text for BM25, one vector.

Pure functions, after ReCo ("Rewriting the Code", Li et al., ACL 2024, section 3); no index, no encoder, no generator. A
rewriting or a purpose that is missing leaves the rest as it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from indexer.encoder.interface import Vectors
from indexer.errors import UsageError
from indexer.settings import Settings


@dataclass(frozen=True, slots=True)
class CodeWeights:
    """What the three texts of a unit weigh: as it stands, its rewritings together, and its purpose; 0 leaves one out.

    Raises UsageError for a weight that is negative or no number, and where all are 0.
    """

    original: float = 1.0
    rewritten: float = 1.0
    purpose: float = 1.0

    def __post_init__(self) -> None:
        weights = [getattr(self, each.name) for each in fields(self)]
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
            raise UsageError(f"the weights of code are {weights}: numbers of at least 0, not all of them 0")

    @classmethod
    def of(cls, settings: Settings) -> CodeWeights:
        """Return what the settings say: an index always has the code itself, by whose words phrases are looked up."""
        return cls(1.0, settings.weight_rewritten, settings.weight_purpose)


def code_text(original: str, rewritten: Sequence[str], purpose: str, weights: CodeWeights) -> str:
    """Return the text of a unit for BM25: each of its texts as often as it weighs, at least once unless that is 0.

    The code stands there once for every rewriting. One text, not a field for each: on `mbpp-recorded`, fields whose
    scores are added gave .02 MRR@10 less.
    """
    repeated = [purpose] * _times(weights.purpose)
    repeated += list(rewritten) * _times(weights.rewritten)
    repeated += [original] * (_times(weights.original) * max(1, len(rewritten)))
    return "\n".join(filter(None, repeated)) or original


def code_vector(
    original: Vectors, rewritten: Sequence[Vectors], purpose: Vectors | None, weights: CodeWeights
) -> Vectors:
    """Return the weighted sum of a unit's vector (dim,), its rewritings' mean and its purpose's, at norm 1."""
    total = weights.original * original
    if len(rewritten):
        total = total + weights.rewritten * np.mean(rewritten, axis=0)
    if purpose is not None:
        total = total + weights.purpose * purpose
    return unit_vector(total, original)


def _times(weight: float) -> int:
    return max(1, round(weight)) if weight > 0 else 0


def unit_vector(vector: Vectors, otherwise: Vectors) -> Vectors:
    """Return a vector at norm 1; one without a direction is none, and the other is returned."""
    norm = float(np.linalg.norm(vector))
    return (vector / norm).astype(np.float32) if norm > 1e-6 else otherwise
