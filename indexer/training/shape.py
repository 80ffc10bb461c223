"""The sizes of a BERT-like encoder, as its `config.json` names them. No torch, no weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a BERT encoder."""

    layers: int
    hidden: int
    heads: int
    positions: int
    epsilon: float
    words: int = 30_522


def read_shape(config: dict[str, Any]) -> Shape:
    """Return the sizes that a Hugging Face `config.json` names."""
    return Shape(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=config["num_attention_heads"],
        positions=config["max_position_embeddings"],
        epsilon=config["layer_norm_eps"],
        words=config["vocab_size"],
    )
