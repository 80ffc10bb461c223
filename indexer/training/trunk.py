"""A Hugging Face BERT's weights under our names. No torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from indexer.training.shape import Shape


def trunk(weights: Mapping[str, NDArray[np.float32]], shape: Shape) -> dict[str, NDArray[np.float32]]:
    """Return a Hugging Face BERT's weights under our names."""
    kinds = weights["embeddings.token_type_embeddings.weight"][0]
    result = {
        "words.weight": weights["embeddings.word_embeddings.weight"],
        "places.weight": weights["embeddings.position_embeddings.weight"] + kinds,
        "norm.weight": weights["embeddings.LayerNorm.weight"],
        "norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    names = {
        "out": "attention.output.dense",
        "out_norm": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "down_norm": "output.LayerNorm",
    }
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}"
        for kind in ("weight", "bias"):
            parts = [weights[f"{prefix}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            result[f"layers.{layer}.qkv.{kind}"] = np.concatenate(parts)
            for ours, theirs in names.items():
                result[f"layers.{layer}.{ours}.{kind}"] = weights[f"{prefix}.{theirs}.{kind}"]
    return result
