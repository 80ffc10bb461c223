"""Pretrained models of random weights and a few words, saved as their libraries save them, and one with its own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from tests.indexer.training.tiny_base import WORDS

HIDDEN, LAYERS, POSITIONS = 32, 3, 80
_BERT = {"vocab_size": len(WORDS), "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 4}
_BERT |= {"intermediate_size": 64, "max_position_embeddings": POSITIONS}
EXITS = [1, 2, 4]
# As ModularStarEncoder: layers of StarCoder 2 that see both ways, the last token pooled, a head an exit.
_CONFIGURATION = """
from transformers import Starcoder2Config


class TinyConfig(Starcoder2Config):
    model_type = "tiny-modular"

    def __init__(self, matryoshka_layers=(1,), **rest):
        self.matryoshka_layers = list(matryoshka_layers)
        super().__init__(**rest)
"""
_MODELLING = """
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel, Starcoder2Model
from transformers.utils import ModelOutput

from .configuration_tiny import TinyConfig


@dataclass
class TinyOutput(ModelOutput):
    projected_pooled_normalized: list | None = None


class TinyModular(PreTrainedModel):
    config_class = TinyConfig
    base_model_prefix = "tiny"

    def __init__(self, config):
        super().__init__(config)
        self.trunk = Starcoder2Model(config)
        self.heads = nn.ModuleList(nn.Linear(config.hidden_size, config.hidden_size) for _ in config.matryoshka_layers)
        self.post_init()

    def forward(self, input_ids, attention_mask=None):
        length = input_ids.shape[1]
        seen = torch.zeros(len(input_ids), 1, length, length, dtype=self.dtype, device=input_ids.device)
        states = []
        hooks = [
            layer.register_forward_hook(lambda _module, _given, made: states.append(made))
            for layer in self.trunk.layers
        ]
        self.trunk(inputs_embeds=self.trunk.embed_tokens(input_ids), attention_mask=seen, use_cache=False)
        for hook in hooks:
            hook.remove()
        pooled = [states[layer - 1][:, -1] for layer in self.config.matryoshka_layers]
        made = [nn.functional.normalize(head(each), dim=-1) for head, each in zip(self.heads, pooled)]
        return TinyOutput(projected_pooled_normalized=made)
"""


def tokenizer(*, framed: bool = True) -> PreTrainedTokenizerFast:
    """Return a tokeniser of words that puts [CLS] and [SEP] round a text, if it is to."""
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if framed:
        marks = [("[CLS]", WORDS.index("[CLS]")), ("[SEP]", WORDS.index("[SEP]"))]
        made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    named = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=POSITIONS, **named)


def write_sentence_model(folder: Path, *, pooling: str = "mean", **options: Any) -> Path:
    """Save a transformer with its pooling; `options` go to SentenceTransformer (prompts, say)."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    torch.manual_seed(7)
    trunk = folder.with_name(f"{folder.name}-trunk")
    BertModel(BertConfig(**_BERT, initializer_range=0.5)).save_pretrained(trunk)
    tokenizer().save_pretrained(trunk)
    modules = [Transformer(str(trunk), max_seq_length=40), Pooling(HIDDEN, pooling_mode=pooling), Normalize()]
    SentenceTransformer(modules=modules, device="cpu", **options).save(str(folder), create_model_card=False)
    return folder


def write_static_model(folder: Path) -> Path:
    """Save a static table of tokens, as model2vec's are."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(7)
    table = StaticEmbedding(tokenizer(framed=False), embedding_dim=HIDDEN)
    SentenceTransformer(modules=[table], device="cpu").save(str(folder), create_model_card=False)
    return folder


def write_modular_model(folder: Path) -> Path:
    """Save a model of several exits whose architecture is code in its folder."""
    from safetensors.torch import save_file
    from transformers import Starcoder2Config

    folder.mkdir(parents=True)
    (folder / "configuration_tiny.py").write_text(_CONFIGURATION)
    (folder / "modeling_tiny.py").write_text(_MODELLING)
    shape = {"vocab_size": len(WORDS), "hidden_size": HIDDEN, "intermediate_size": 64, "num_hidden_layers": EXITS[-1]}
    shape |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": POSITIONS}
    own = {"AutoConfig": "configuration_tiny.TinyConfig", "AutoModel": "modeling_tiny.TinyModular"}
    said = {"model_type": "tiny-modular", "auto_map": own, "matryoshka_layers": EXITS, "bos_token_id": 2}
    said |= {"eos_token_id": 3, "architectures": ["TinyModular"]}
    (folder / "config.json").write_text(json.dumps(shape | said))
    tokenizer(framed=False).save_pretrained(folder)
    save_file(_modular_weights(Starcoder2Config(**shape)), folder / "model.safetensors", {"format": "pt"})
    return folder


def _modular_weights(config: Any) -> dict[str, torch.Tensor]:
    from transformers import Starcoder2Model

    torch.manual_seed(7)
    weights = {f"trunk.{name}": value for name, value in Starcoder2Model(config).state_dict().items()}
    weights = {name: torch.randn_like(value) * 0.3 if value.ndim == 2 else value for name, value in weights.items()}
    for number in range(len(EXITS)):
        weights[f"heads.{number}.weight"] = torch.randn(HIDDEN, HIDDEN)
        weights[f"heads.{number}.bias"] = torch.randn(HIDDEN)
    return weights
