"""A base model of random weights and a tokeniser of a few words, in the layout of a Sentence Transformers folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HIDDEN, LAYERS, POSITIONS = 32, 3, 80
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "(", ")", ":", "_", "=", ".", ","]
WORDS += [
    "def",
    "return",
    "sort",
    "list",
    "read",
    "file",
    "open",
    "close",
    "parse",
    "text",
    "number",
    "of",
    "the",
    "a",
    "to",
    "in",
    "with",
    "value",
    "item",
    "key",
]
WORDS += [f"w{number}" for number in range(60)]


def write_base(folder: Path) -> Path:
    """Write config, tokenizer and weights; return the folder."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(
        json.dumps(
            {
                "num_hidden_layers": LAYERS,
                "hidden_size": HIDDEN,
                "num_attention_heads": 4,
                "max_position_embeddings": POSITIONS,
                "layer_norm_eps": 1e-12,
                "vocab_size": len(WORDS),
            }
        )
    )
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer()))
    save_file(_weights(), folder / "model.safetensors")
    return folder


def _tokenizer() -> dict:
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: number for number, word in enumerate(WORDS)},
        },
    }


def _weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)

    def make(*sizes: int) -> np.ndarray:
        return (random.standard_normal(sizes) * 0.2).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": make(len(WORDS), HIDDEN),
        "embeddings.position_embeddings.weight": make(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": make(2, HIDDEN),
    }
    sizes = {
        "attention.self.query": (HIDDEN, HIDDEN),
        "attention.self.key": (HIDDEN, HIDDEN),
        "attention.self.value": (HIDDEN, HIDDEN),
        "attention.output.dense": (HIDDEN, HIDDEN),
        "intermediate.dense": (4 * HIDDEN, HIDDEN),
        "output.dense": (HIDDEN, 4 * HIDDEN),
    }
    for layer in range(LAYERS):
        for name, size in sizes.items():
            weights[f"encoder.layer.{layer}.{name}.weight"] = make(*size)
            weights[f"encoder.layer.{layer}.{name}.bias"] = make(size[0])
    norms = [f"encoder.layer.{layer}.{name}" for layer in range(LAYERS) for name in ("attention.output", "output")]
    for name in ["embeddings", *norms]:
        weights[f"{name}.LayerNorm.weight"] = 1 + make(HIDDEN)
        weights[f"{name}.LayerNorm.bias"] = make(HIDDEN)
    return weights


RECIPE = """
[model]
name = "tiny"
depths = [1, 3]
[data]
query_tokens = 12
code_tokens = 24
language_power = 0.5
normal = 0.3
named = 0.3
asked = 0.25
written = 0.5
documented = 0.2
renamed = 0.5
renamed_words = 0.5
neighbours = 0.5
neighbour_group = 2
[loss]
scale = 20.0
exits = { 1 = 0.5, 3 = 1.0 }
frozen_queries = 8
vectors = 1.0
similarities = 1.0
base = 1.0
anchor = 1.0
repository = 0.1
same = 1.0
[run]
seed = 7
batch = 8
steps = 12
warmup = 2
decay = 0.5
rate = 1e-3
deep_rate = 1e-3
head_rate = 1e-2
weight_decay = 0.01
save_every = 2
[static]
seed = 7
batch = 16
epochs = 3
rate = 1e-2
again_epochs = 2
again_rate = 1e-2
documented = 0.5
front = 3.0
decay = 12.0
power = 0.5
shares = { 1 = 0.4, 3 = 0.2 }
"""


def write_pairs(path: Path, count: int = 64) -> Path:
    """Write pairs in two languages whose questions and codes share a number's word."""
    lines = [
        {
            "query": f"read w{number % 60} of the file",
            "code": f"def w{number % 60}(a):\n    return open(w{number % 60})",
            "language": ("python", "go")[number % 2],
            "source": f"pypi:p{number % 3}@1",
            "path": f"src/p{number % 3}.py",
            "symbol": f"w{number % 60}",
        }
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
