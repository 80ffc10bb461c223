"""A multi-exit model, or a BERT-like Sentence Transformers model, to a folder with int8 weights, without torch.

One small graph an exit, all of which read the same file of weights: cut at its depth, a graph maps no layer that it
does not run. (One graph with several outputs runs whole, whichever output is asked for.) The same input gives the
same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from indexer.encoder.files import STATIC, WEIGHTS, graph_name, write_hashes
from indexer.encoder.static import PLAIN, Pooling, write_table
from indexer.training.shape import Shape, read_shape
from indexer.training.tokenizer import text_id, with_split_identifiers
from indexer.training.trunk import trunk

# GELU never falls below this; added to its output, the whole byte is used for what is above.
GELU_LEAST = np.float32(0.17001)
# A row of zeros has a scale too.
_LEAST = np.float32(1e-9)
# Tokens of text a block may have: the base model was trained on 128 and holds up to 256.
WINDOW = 254
# Smaller weights stay in the graph; larger ones begin at a multiple of this in their file.
_LEAST_OUTSIDE = 1_024
_ALIGNED = 64
_MICROSOFT = "com.microsoft"
_FUSED = frozenset({"BiasGelu", "MatMulIntegerToFloat", "MultiHeadAttention", "SkipLayerNormalization"})


Weights = Mapping[str, NDArray[np.float32]]


class _Graph:
    """Nodes and weights of the model being written."""

    def __init__(self, weights: Weights, shape: Shape, *, quantised: bool) -> None:
        self.weights, self.shape, self.quantised = weights, shape, quantised
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        return name

    def axis(self, number: int) -> str:
        return self.constant(f"axis{number}", np.array([number]))

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        domain = _MICROSOFT if kind in _FUSED else ""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def parameters(self, prefix: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.weights[f"{prefix}.weight"], self.weights[f"{prefix}.bias"]


def build(weights: Weights, shape: Shape, depth: int, *, quantised: bool = True) -> onnx.ModelProto:
    """Return a model from `ids` (n, tokens) int32, without padding, to `vectors` (n, hidden) of norm 1.

    `weights` are named as `indexer.training.model` names them; an exit without any is a plain mean.
    """
    graph = _Graph(weights, shape, quantised=quantised)
    state = _embeddings(graph)
    for layer in range(depth):
        state = _layer(graph, state, layer)
    _exit(graph, state, depth)
    ids = helper.make_tensor_value_info("ids", TensorProto.INT32, ["n", "tokens"])
    out = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", shape.hidden])
    proto = helper.make_graph(graph.nodes, "encoder", [ids], [out], list(graph.constants.values()))
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(proto, opset_imports=opsets, ir_version=10, producer_name="fathom")


class _WeightFile:
    """The file in which large weights lie, each once, however many graphs name it."""

    def __init__(self) -> None:
        self.content = bytearray()
        self._places: dict[bytes, tuple[int, int]] = {}

    def move(self, model: onnx.ModelProto) -> None:
        """Take a model's large weights out of it and leave their places."""
        for tensor in model.graph.initializer:
            raw = tensor.raw_data
            if len(raw) < _LEAST_OUTSIDE:
                continue
            if raw not in self._places:
                self.content.extend(bytes(-len(self.content) % _ALIGNED))
                self._places[raw] = (len(self.content), len(raw))
                self.content.extend(raw)
            offset, length = self._places[raw]
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", WEIGHTS), ("offset", offset), ("length", length)):
                tensor.external_data.add(key=key, value=str(value))


def _exit(graph: _Graph, state: str, depth: int) -> None:
    """Pool the tokens' states and project them: a head works on one vector a text, so it stays in float."""
    name, prefix = f"e{depth}", f"exits.{depth}"
    pooled = graph.node("ReduceMean", [state, graph.axis(1)], f"{name}.mean", keepdims=0)
    if f"{prefix}.head.weight" in graph.weights:
        weight, _ = graph.parameters(f"{prefix}.score")
        graph.node("MatMul", [state, graph.constant(f"{name}.score", weight.T)], f"{name}.scores")
        graph.node("Softmax", [f"{name}.scores"], f"{name}.shares", axis=1)
        graph.node("Mul", [state, f"{name}.shares"], f"{name}.shared")
        weighted = graph.node("ReduceSum", [f"{name}.shared", graph.axis(1)], f"{name}.weighted", keepdims=0)
        both = graph.node("Concat", [pooled, weighted], f"{name}.both", axis=1)
        weight, bias = graph.parameters(f"{prefix}.head")
        product = graph.node("MatMul", [both, graph.constant(f"{name}.head", weight.T)], f"{name}.product")
        pooled = graph.node("Add", [product, graph.constant(f"{name}.bias", bias)], f"{name}.sum")
    graph.node("LpNormalization", [pooled], "vectors", axis=-1, p=2)


def _embeddings(graph: _Graph) -> str:
    weights = graph.weights
    words, places = weights["words.weight"], weights["places.weight"]
    if graph.quantised:
        scales = np.maximum(np.abs(words).max(axis=1, keepdims=True), _LEAST) / np.float32(127)
        graph.node("Gather", [graph.constant("words", np.rint(words / scales).astype(np.int8)), "ids"], "words.q")
        graph.node("Cast", ["words.q"], "words.f", to=TensorProto.FLOAT)
        graph.node("Gather", [graph.constant("word_scales", scales), "ids"], "words.s")
        graph.node("Mul", ["words.f", "words.s"], "words.v")
    else:
        graph.node("Gather", [graph.constant("words", words), "ids"], "words.v")
    graph.node("Shape", ["ids"], "length", start=1, end=2)
    graph.node("Shape", ["ids"], "rows")
    graph.node("Concat", ["rows", graph.constant("rest", np.array([-1]))], "rows3", axis=0)
    held = graph.constant("places", places[: WINDOW + 2])
    graph.node("Slice", [held, graph.constant("first", np.array([0])), "length", graph.axis(0)], "places.v")
    graph.node("Add", ["words.v", "places.v"], "embedded")
    gamma, beta = graph.parameters("norm")
    inputs = ["embedded", graph.constant("state0.gamma", gamma), graph.constant("state0.beta", beta)]
    return graph.node("LayerNormalization", inputs, "state0", epsilon=graph.shape.epsilon, axis=-1)


def _layer(graph: _Graph, state: str, layer: int) -> str:
    prefix, name = f"layers.{layer}", f"l{layer}"
    joined = _linear(graph, state, *graph.parameters(f"{prefix}.qkv"), f"{name}.qkv")
    names = [f"{name}.{part}" for part in "qkv"]
    graph.nodes.append(helper.make_node("Split", [joined], names, name=f"{name}.parts", axis=-1, num_outputs=3))
    attended = graph.node("MultiHeadAttention", names, f"{name}.attended", num_heads=graph.shape.heads)
    out = _linear(graph, attended, *graph.parameters(f"{prefix}.out"), f"{name}.out")
    middle = _skip_norm(graph, out, state, f"{prefix}.out_norm", f"{name}.middle")
    weight, bias = graph.parameters(f"{prefix}.up")
    inner = _linear(graph, middle, weight, None, f"{name}.up")
    active = graph.node("BiasGelu", [inner, graph.constant(f"{name}.up.b", bias)], f"{name}.gelu")
    outer = _linear(graph, active, *graph.parameters(f"{prefix}.down"), f"{name}.down", least=GELU_LEAST)
    return _skip_norm(graph, outer, middle, f"{prefix}.down_norm", f"{name}.state")


def _skip_norm(graph: _Graph, source: str, skip: str, prefix: str, name: str) -> str:
    """Add two tensors and normalise the sum."""
    gamma, beta = graph.parameters(prefix)
    inputs = [source, skip, graph.constant(f"{name}.gamma", gamma), graph.constant(f"{name}.beta", beta)]
    return graph.node("SkipLayerNormalization", inputs, name, epsilon=graph.shape.epsilon)


def _linear(
    graph: _Graph,
    source: str,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    name: str,
    *,
    least: np.float32 | None = None,
) -> str:
    """Multiply by `weight` (outputs, inputs) and add `bias`; no value of the source is below -`least`."""
    if graph.quantised:
        return _linear_int8(graph, source, weight, bias, name, least)
    product = graph.node("MatMul", [source, graph.constant(f"{name}.w", weight.T)], f"{name}.product")
    return product if bias is None else graph.node("Add", [product, graph.constant(f"{name}.b", bias)], name)


def _linear_int8(
    graph: _Graph,
    source: str,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    name: str,
    least: np.float32 | None,
) -> str:
    """Multiply bytes: each token has a scale of its own, so that a vector does not depend on its batch."""
    whole, scales = quantise(weight)
    width = graph.constant(f"width{weight.shape[1]}", np.array([-1, weight.shape[1]]))
    flat = graph.node("Reshape", [source, width], f"{name}.flat")
    if least is None:
        rows, zero = _around_zero(graph, flat, name), graph.constant("middle", np.uint8(128))
    else:
        rows, zero = _above(graph, flat, least, name), graph.constant("bottom", np.uint8(0))
        fixed = -least * (whole.astype(np.float32) * scales[:, None]).sum(axis=1)
        bias = fixed if bias is None else bias + fixed
    inputs = [f"{name}.bytes", graph.constant(f"{name}.w", whole.T), graph.constant("one", np.float32(1))]
    inputs += [graph.constant(f"{name}.s", scales), zero]
    graph.node("MatMulIntegerToFloat", inputs, f"{name}.whole")
    graph.node("Unsqueeze", [rows, graph.axis(1)], f"{name}.scales")
    result = graph.node("Mul", [f"{name}.whole", f"{name}.scales"], f"{name}.product")
    if bias is not None:
        result = graph.node("Add", [result, graph.constant(f"{name}.b", bias)], f"{name}.sum")
    return graph.node("Reshape", [result, "rows3"], name)


def _around_zero(graph: _Graph, flat: str, name: str) -> str:
    """Write bytes around 128 as `name`.bytes; return the rows' scales."""
    graph.node("Abs", [flat], f"{name}.abs")
    graph.node("ReduceMax", [f"{name}.abs", graph.axis(1)], f"{name}.most", keepdims=0)
    graph.node("Max", [f"{name}.most", graph.constant("least", _LEAST)], f"{name}.bounded")
    rows = graph.node("Mul", [f"{name}.bounded", graph.constant("half", np.float32(1 / 127))], f"{name}.rows")
    graph.node("Shape", [rows], f"{name}.count")
    graph.node("Expand", [graph.constant("middle", np.uint8(128)), f"{name}.count"], f"{name}.zeros")
    graph.node("QuantizeLinear", [flat, rows, f"{name}.zeros"], f"{name}.bytes", axis=0)
    return rows


def _above(graph: _Graph, flat: str, least: np.float32, name: str) -> str:
    """Write bytes of what is above -`least` as `name`.bytes; return the rows' scales."""
    shifted = graph.node("Add", [flat, graph.constant("gelu_least", least)], f"{name}.shifted")
    graph.node("ReduceMax", [shifted, graph.axis(1)], f"{name}.most", keepdims=0)
    rows = graph.node("Mul", [f"{name}.most", graph.constant("byte", np.float32(1 / 255))], f"{name}.rows")
    graph.node("QuantizeLinear", [shifted, rows], f"{name}.bytes", axis=0, output_dtype=TensorProto.UINT8)
    return rows


def quantise(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return `weight` (n, k) as int8 and a scale (n,) an output channel.

    Processors without VNNI add the products of two neighbouring inputs in 16 bits. Scales are such
    that this cannot overflow, whatever the activations' bytes are, so that every machine computes the
    same sums.
    """
    pairs = weight.reshape(len(weight), -1, 2)
    of_one_sign = np.maximum(np.maximum(pairs, 0).sum(axis=2), np.maximum(-pairs, 0).sum(axis=2)).max(axis=1)
    # 128 · 255 < 2^15; one less, as both weights of a pair may be rounded up.
    scales = np.maximum(np.maximum(np.abs(weight).max(axis=1) / 127, of_one_sign / 127), _LEAST)
    return np.rint(weight / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def export_base(source: Path, target: Path, name: str, *, quantised: bool = True) -> None:
    """Write the model folder `target` from the Sentence Transformers model in `source`: one exit, its last layer."""
    shape = read_shape(json.loads((source / "config.json").read_text()))
    weights = trunk(load_file(source / "model.safetensors"), shape)
    write_folder(target, weights, shape, [shape.layers], source / "tokenizer.json", name, quantised=quantised)


def write_folder(
    target: Path,
    weights: Weights,
    shape: Shape,
    depths: Sequence[int],
    tokenizer: Path,
    name: str,
    *,
    static: NDArray[np.float32] | None = None,
    pooling: Pooling = PLAIN,
    static_shares: Mapping[int, float] | None = None,
    block_scorer: Sequence[float] | None = None,
    quantised: bool = True,
) -> None:
    """Write a model folder: the graph, the token table of exit 0, the tokenizer, what the model is, and all hashes.

    `static` (words, hidden) gives the model an exit 0, summed by `pooling`, of which `static_shares` are added to the
    others, by depth, `block_scorer` (hidden,) its attention to blocks.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in (*target.glob(graph_name("*")), target / STATIC):
        path.unlink(missing_ok=True)
    outside = _WeightFile()
    for depth in depths:
        model = build(weights, shape, depth, quantised=quantised)
        outside.move(model)
        (target / graph_name(depth)).write_bytes(model.SerializeToString(deterministic=True))
    (target / WEIGHTS).write_bytes(outside.content)
    if static is not None:
        write_table(target / STATIC, static, pooling)
    text = with_split_identifiers(json.loads(tokenizer.read_text(encoding="utf-8")))
    (target / "tokenizer.json").write_text(json.dumps(text, ensure_ascii=False), encoding="utf-8")
    config: dict[str, Any] = {
        "name": name,
        "dimension": shape.hidden,
        "depths": [*([0] if static is not None else []), *depths],
        "window": min(WINDOW, shape.positions - 2),
        "start_id": text_id(text, "[CLS]"),
        "end_id": text_id(text, "[SEP]"),
    }
    if static_shares:
        config["static_shares"] = dict(static_shares)
    if block_scorer is not None:
        config["block_scorer"] = [round(float(value), 6) for value in block_scorer]
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_hashes(target)
