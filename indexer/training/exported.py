"""The weights of an exported model, read back: a run can go on from the model that is shipped.

The checkpoint of its run is larger than what is shipped, and nobody else has it. What comes back are the weights as
they were rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper

from indexer.encoder.files import graph_name
from indexer.errors import UsageError
from indexer.training.export import GELU_LEAST, Weights
from indexer.training.shape import Shape

_NORMS = {"out_norm": "middle", "down_norm": "state"}


def read_exported(folder: Path, depths: Sequence[int]) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a model folder, in 8 bits or in float, under the names of `indexer.training.model`.

    Positions behind the model's window are not in the folder: `places.weight` is the shorter for it. Raise UsageError
    naming a folder that holds no such model with exits at `depths`.
    """
    try:
        found = _Constants(folder / graph_name(depths[-1]))
        result = found.trunk(depths[-1])
        for depth in depths:
            result.update(_Constants(folder / graph_name(depth)).exit(depth))
    except (OSError, KeyError, ValueError, onnx.checker.ValidationError) as error:
        message = f"{folder} holds no model with exits at {', '.join(map(str, depths))} that Fathom wrote: {error}"
        raise UsageError(message) from error
    except DecodeError as error:
        raise UsageError(f"a graph in {folder} is damaged: {error}") from error
    return result


def read_exported_shape(folder: Path, layers: int) -> Shape:
    """Return the sizes of a model folder, whose deepest exit is after `layers`; raise UsageError as `read_exported`."""
    try:
        return _Constants(folder / graph_name(layers)).shape(layers)
    except (OSError, KeyError, ValueError, onnx.checker.ValidationError, DecodeError) as error:
        raise UsageError(f"{folder} holds no model with an exit at {layers} that Fathom wrote: {error}") from error


class _Constants:
    """The constants of one graph, by the names that `indexer.training.export` gave them."""

    def __init__(self, path: Path) -> None:
        model = onnx.load(path)
        self._values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._attributes = {
            attribute.name: onnx.helper.get_attribute_value(attribute)
            for node in model.graph.node
            for attribute in node.attribute
            if attribute.name in ("num_heads", "epsilon")
        }

    def shape(self, layers: int) -> Shape:
        positions, hidden = self._values["places"].shape
        heads, epsilon = self._attributes["num_heads"], self._attributes["epsilon"]
        return Shape(layers, hidden, heads, positions, epsilon, len(self._values["words"]))

    def trunk(self, layers: int) -> dict[str, NDArray[np.float32]]:
        result = {
            "words.weight": self._words(),
            "places.weight": self._values["places"],
            "norm.weight": self._values["state0.gamma"],
            "norm.bias": self._values["state0.beta"],
        }
        for layer in range(layers):
            prefix, name = f"layers.{layer}", f"l{layer}"
            for part in ("qkv", "out", "up", "down"):
                result[f"{prefix}.{part}.weight"] = self._matrix(f"{name}.{part}")
                result[f"{prefix}.{part}.bias"] = self._values[f"{name}.{part}.b"]
            if f"{name}.down.s" in self._values:
                # The exported bias also takes back what was added to the inputs.
                added = GELU_LEAST * result[f"{prefix}.down.weight"].sum(axis=1)
                result[f"{prefix}.down.bias"] = result[f"{prefix}.down.bias"] + added
            for ours, theirs in _NORMS.items():
                result[f"{prefix}.{ours}.weight"] = self._values[f"{name}.{theirs}.gamma"]
                result[f"{prefix}.{ours}.bias"] = self._values[f"{name}.{theirs}.beta"]
        return result

    def exit(self, depth: int) -> Weights:
        """Return the weights of an exit. The score's bias is not exported: a softmax does not see it."""
        name, prefix = f"e{depth}", f"exits.{depth}"
        return {
            f"{prefix}.score.weight": self._values[f"{name}.score"].T,
            f"{prefix}.score.bias": np.zeros(1, np.float32),
            f"{prefix}.head.weight": self._values[f"{name}.head"].T,
            f"{prefix}.head.bias": self._values[f"{name}.bias"],
        }

    def _words(self) -> NDArray[np.float32]:
        words = self._values["words"].astype(np.float32)
        return words * self._values["word_scales"] if "word_scales" in self._values else words

    def _matrix(self, name: str) -> NDArray[np.float32]:
        """Return weights (outputs, inputs)."""
        whole = self._values[f"{name}.w"].T.astype(np.float32)
        scales = self._values.get(f"{name}.s")
        return whole if scales is None else whole * scales[:, None]
