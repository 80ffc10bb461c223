"""A BERT-like Sentence Transformers model to one ONNX file with int8 weights, without torch.

`python -m indexer.training.export SOURCE TARGET` reads `model.safetensors`, `config.json` and
`tokenizer.json` and writes a model folder that `OnnxEncoder` loads. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from indexer.encoder.files import write_hashes

# Weights a scale: each run of this many inputs of an output channel has a scale of its own.
BLOCK = 64
_BITS = 8
_ZERO = 128
# int8 multiplication with a scale for each row and block of the activations: a text's vector does
# not depend on its batch.
_ACCURACY = 4
# Tokens of text a block may have: the base model was trained on 128 and holds up to 256.
WINDOW = 254


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a BERT encoder."""

    layers: int
    hidden: int
    heads: int
    inner: int
    positions: int
    epsilon: float


class _Graph:
    """Nodes and weights of the model being written."""

    def __init__(self, weights: dict[str, NDArray[np.float32]], shape: Shape, *, quantised: bool) -> None:
        self.weights, self.shape, self.quantised = weights, shape, quantised
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        domain = "com.microsoft" if kind in {"MatMulNBits", "Gelu", "SkipLayerNormalization"} else ""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def linear(self, source: str, weight: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> str:
        """Multiply by `weight` (outputs, inputs) and add `bias`."""
        if not self.quantised:
            product = self.node("MatMul", [source, self.constant(f"{name}.w", weight.T)], f"{name}.product")
        else:
            packed, scales = quantise(weight)
            inputs = [source, self.constant(f"{name}.q", packed), self.constant(f"{name}.s", scales)]
            product = self.node(
                "MatMulNBits",
                inputs,
                f"{name}.product",
                K=weight.shape[1],
                N=weight.shape[0],
                bits=_BITS,
                block_size=BLOCK,
                accuracy_level=_ACCURACY,
            )
        return self.node("Add", [product, self.constant(f"{name}.b", bias)], name)

    def skip_norm(self, source: str, skip: str, prefix: str, name: str) -> str:
        """Add two tensors and normalise the sum."""
        gamma = self.constant(f"{name}.gamma", self.weights[f"{prefix}.weight"])
        beta = self.constant(f"{name}.beta", self.weights[f"{prefix}.bias"])
        return self.node("SkipLayerNormalization", [source, skip, gamma, beta], name, epsilon=self.shape.epsilon)


def quantise(weight: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return `weight` (n, k) as bytes (n, k / BLOCK, BLOCK) around 128 and a scale a block (n · k / BLOCK)."""
    blocks = weight.reshape(len(weight), -1, BLOCK)
    scales = np.maximum(np.abs(blocks).max(axis=2), 1e-12) / 127
    packed = np.rint(blocks / scales[..., None]).astype(np.int16) + _ZERO
    return packed.astype(np.uint8), scales.astype(np.float32).reshape(-1)


def build(weights: dict[str, NDArray[np.float32]], shape: Shape, *, quantised: bool = True) -> onnx.ModelProto:
    """Return a model from `ids` and `mask` (n, tokens) int64 to `vectors` (n, hidden), not yet of norm 1."""
    graph = _Graph(weights, shape, quantised=quantised)
    state = _embeddings(graph)
    graph.node("Unsqueeze", ["mask", graph.constant("axes12", np.array([1, 2]))], "mask4")
    graph.node("Cast", ["mask4"], "maskf", to=TensorProto.FLOAT)
    graph.node("Sub", [graph.constant("one", np.array(1, np.float32)), "maskf"], "hidden_tokens")
    graph.node("Mul", ["hidden_tokens", graph.constant("low", np.array(-10_000, np.float32))], "bias")
    for layer in range(shape.layers):
        state = _layer(graph, state, layer)
    _pool(graph, state)
    ids, mask = (helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "tokens"]) for name in ("ids", "mask"))
    out = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", shape.hidden])
    proto = helper.make_graph(graph.nodes, "encoder", [ids, mask], [out], graph.constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(proto, opset_imports=opsets, ir_version=9, producer_name="fathom")


def _embeddings(graph: _Graph) -> str:
    weights = graph.weights
    words = weights["embeddings.word_embeddings.weight"]
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    if graph.quantised:
        scales = np.maximum(np.abs(words).max(axis=1, keepdims=True), 1e-12) / 127
        graph.constant("words", np.rint(words / scales).astype(np.int8))
        graph.node("Gather", ["words", "ids"], "words.q")
        graph.node("Cast", ["words.q"], "words.f", to=TensorProto.FLOAT)
        graph.node("Gather", [graph.constant("word_scales", scales.astype(np.float32)), "ids"], "words.s")
        graph.node("Mul", ["words.f", "words.s"], "words.v")
    else:
        graph.node("Gather", [graph.constant("words", words), "ids"], "words.v")
    graph.node("Shape", ["ids"], "shape")
    graph.node("Gather", ["shape", graph.constant("i1", np.array([1]))], "length")
    zero, axis = graph.constant("z", np.array([0])), graph.constant("a0", np.array([0]))
    graph.node("Slice", [graph.constant("places", places), zero, "length", axis], "places.v")
    graph.node("Add", ["words.v", "places.v"], "embedded")
    gamma = graph.constant("ln0.g", weights["embeddings.LayerNorm.weight"])
    beta = graph.constant("ln0.b", weights["embeddings.LayerNorm.bias"])
    return graph.node("LayerNormalization", ["embedded", gamma, beta], "state0", epsilon=graph.shape.epsilon, axis=-1)


def _layer(graph: _Graph, state: str, layer: int) -> str:
    prefix, name = f"encoder.layer.{layer}", f"l{layer}"
    attended = _attention(graph, state, prefix, name)
    dense = f"{prefix}.attention.output.dense"
    out = graph.linear(attended, graph.weights[f"{dense}.weight"], graph.weights[f"{dense}.bias"], f"{name}.out")
    middle = graph.skip_norm(out, state, f"{prefix}.attention.output.LayerNorm", f"{name}.middle")
    up, down = f"{prefix}.intermediate.dense", f"{prefix}.output.dense"
    inner = graph.linear(middle, graph.weights[f"{up}.weight"], graph.weights[f"{up}.bias"], f"{name}.up")
    active = graph.node("Gelu", [inner], f"{name}.gelu")
    outer = graph.linear(active, graph.weights[f"{down}.weight"], graph.weights[f"{down}.bias"], f"{name}.down")
    return graph.skip_norm(outer, middle, f"{prefix}.output.LayerNorm", f"{name}.state")


def _attention(graph: _Graph, state: str, prefix: str, name: str) -> str:
    shape = graph.shape
    size = shape.hidden // shape.heads
    parts = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([graph.weights[f"{part}.weight"] for part in parts])
    bias = np.concatenate([graph.weights[f"{part}.bias"] for part in parts])
    # The query's share carries the softmax's scale, so that no pass over the scores is needed for it.
    scale = np.ones(len(bias), np.float32)
    scale[: shape.hidden] = size**-0.5
    joined = graph.linear(state, weight * scale[:, None], bias * scale, f"{name}.qkv")
    split = graph.constant(f"{name}.split", np.array([shape.hidden] * 3))
    names = [f"{name}.{part}" for part in "qkv"]
    graph.nodes.append(helper.make_node("Split", [joined, split], names, name=f"{name}.parts", axis=-1))
    heads = graph.constant(f"{name}.heads", np.array([0, 0, shape.heads, size]))
    for part, order in zip(names, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True):
        graph.node("Reshape", [part, heads], f"{part}4")
        graph.node("Transpose", [f"{part}4"], f"{part}t", perm=order)
    graph.node("MatMul", [f"{names[0]}t", f"{names[1]}t"], f"{name}.scores")
    graph.node("Add", [f"{name}.scores", "bias"], f"{name}.masked")
    graph.node("Softmax", [f"{name}.masked"], f"{name}.alpha", axis=-1)
    graph.node("MatMul", [f"{name}.alpha", f"{names[2]}t"], f"{name}.context")
    graph.node("Transpose", [f"{name}.context"], f"{name}.back", perm=[0, 2, 1, 3])
    flat = graph.constant(f"{name}.flat", np.array([0, 0, shape.hidden]))
    return graph.node("Reshape", [f"{name}.back", flat], f"{name}.attended")


def _pool(graph: _Graph, state: str) -> None:
    """Mean over the tokens that are not padding."""
    graph.node("Cast", ["mask"], "weights2", to=TensorProto.FLOAT)
    graph.node("Unsqueeze", ["weights2", graph.constant("axis1", np.array([1]))], "weights3")
    graph.node("MatMul", ["weights3", state], "summed3")
    graph.node("Squeeze", ["summed3", "axis1"], "summed")
    graph.node("ReduceSum", ["weights2", "axis1"], "count", keepdims=1)
    graph.node("Div", ["summed", "count"], "vectors")


def read_shape(config: dict[str, Any]) -> Shape:
    """Return the sizes that a Hugging Face `config.json` names."""
    return Shape(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=config["num_attention_heads"],
        inner=config["intermediate_size"],
        positions=config["max_position_embeddings"],
        epsilon=config["layer_norm_eps"],
    )


def export(source: Path, target: Path, name: str, *, quantised: bool = True) -> None:
    """Write the model folder `target` from the Sentence Transformers model in `source`."""
    weights = load_file(source / "model.safetensors")
    shape = read_shape(json.loads((source / "config.json").read_text()))
    write_folder(target, build(weights, shape, quantised=quantised), shape, source / "tokenizer.json", name)


def write_folder(target: Path, model: onnx.ModelProto, shape: Shape, tokenizer: Path, name: str) -> None:
    """Write a model folder: the graph, its tokenizer without truncation, what it is, and all hashes."""
    target.mkdir(parents=True, exist_ok=True)
    onnx.save_model(model, target / "model.onnx")
    text = json.loads(tokenizer.read_text(encoding="utf-8"))
    text["truncation"] = text["padding"] = None
    (target / "tokenizer.json").write_text(json.dumps(text, ensure_ascii=False), encoding="utf-8")
    config = {
        "name": name,
        "dimension": shape.hidden,
        "depths": [shape.layers],
        "window": min(WINDOW, shape.positions - 2),
        "pad_id": 0,
        "start_id": text_id(text, "[CLS]"),
        "end_id": text_id(text, "[SEP]"),
    }
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_hashes(target)


def text_id(tokenizer: dict[str, Any], token: str) -> int:
    """Return the id of a token in a `tokenizer.json`."""
    return int(tokenizer["model"]["vocab"][token])


def main() -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--name", default="all-MiniLM-L6-v2")
    parser.add_argument("--float", action="store_true", help="keep float32 weights, for comparison")
    arguments = parser.parse_args()
    export(arguments.source, arguments.target, arguments.name, quantised=not arguments.float)


if __name__ == "__main__":
    main()
