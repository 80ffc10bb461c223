"""The encoder in PyTorch: the shipped model's own weights, on a GPU in bfloat16. Nothing is trained here.

The weights are those that were rounded to 8 bits, the sums are not: a vector is near the processor's, not equal.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.encoder.files import read_config
from indexer.encoder.interface import Ids, Tokens, Vectors, check_depth, check_window
from indexer.encoder.onnx import OnnxEncoder, default_model_folder
from indexer.errors import EnvironmentFailed, UsageError

if TYPE_CHECKING:
    from indexer.training.model import MultiExit

# Tokens of a batch, padding counted: fills a large GPU, and its attention stays below a gigabyte.
_BATCH_TOKENS = 65_536
# On a processor, where only tests run, what stays in its cache.
_BATCH_TOKENS_CPU = 2_048
_NEEDED = ("torch", "onnx", "safetensors")


class TorchEncoder:
    """A model folder on a device. Tokens and exit 0, which need no GPU, are as in `OnnxEncoder`."""

    def __init__(self, folder: Path, device: str) -> None:
        self._plain = OnnxEncoder.load(folder)
        self.name, self.fingerprint = self._plain.name, self._plain.fingerprint
        self.dimension, self.depths, self.window = self._plain.dimension, self._plain.depths, self._plain.window
        self.block_scorer = self._plain.block_scorer
        self.query_prompt, self.document_prompt = self._plain.query_prompt, self._plain.document_prompt
        config = read_config(folder)
        self._special = (config.start_id, config.end_id)
        self._device = device
        self._lock = threading.Lock()
        self._model = _loaded(folder, [depth for depth in self.depths if depth], device)

    @classmethod
    def load(cls, folder: Path | None = None, device: str = "cuda") -> TorchEncoder:
        """Load a model folder, or the shipped one, onto a device ("cuda", "cpu").

        Raises UsageError where the extra is not installed, EnvironmentFailed where there is no such GPU, ModelDamaged.
        """
        missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise UsageError(
                f"the encoder on a GPU needs the extra `gpu` ({missing[0]} is not installed): "
                "pip install 'fathom-search[gpu]'"
            )
        import torch

        if device == "cuda" and not torch.cuda.is_available():
            raise EnvironmentFailed("PyTorch finds no CUDA GPU on this machine; leave out --device cuda")
        return cls(folder or default_model_folder(), device)

    @property
    def shortage(self) -> str:
        """What was made smaller for want of memory so far, in words; empty where nothing was."""
        return self._plain.shortage

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of texts of any length, none dropped."""
        return self._plain.tokenise(texts)

    def encode(self, token_ids: Sequence[Ids], depth: int) -> Vectors:
        """Return vectors (n, dimension) of norm 1 in the order given; UsageError for an unknown depth.

        What else is in a batch changes a vector by rounding only.
        """
        check_depth(depth, self.depths)
        check_window(token_ids, self.window)
        if depth == 0:
            return self._plain.encode(token_ids, depth)
        result = np.empty((len(token_ids), self.dimension), dtype=np.float32)
        budget = _BATCH_TOKENS_CPU if self._device == "cpu" else _BATCH_TOKENS
        with self._lock:
            for rows in _batches([len(ids) for ids in token_ids], budget):
                result[rows] = self._forward([token_ids[row] for row in rows], depth)
        return self._plain.static.beside(result, token_ids, depth)

    def _forward(self, blocks: Sequence[Ids], depth: int) -> Vectors:
        import torch

        from indexer.training.model import padded

        batch = padded(blocks, self._special, torch.device(self._device))
        with torch.inference_mode(), torch.autocast(self._device, torch.bfloat16, enabled=self._device == "cuda"):
            vectors: Vectors = self._model(batch, depth)[depth].float().cpu().numpy()
        return vectors


def _loaded(folder: Path, depths: Sequence[int], device: str) -> MultiExit:
    """Return the model of a folder that was verified, ready to encode; raise UsageError where it has no such layers."""
    import torch

    from indexer.training.exported import read_exported, read_exported_shape
    from indexer.training.model import MultiExit

    model: MultiExit = MultiExit(read_exported_shape(folder, depths[-1]), depths)
    model.load_state_dict({name: torch.tensor(value) for name, value in read_exported(folder, depths).items()})
    model.eval().to(device)
    return model


def _batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield rows, longest first, in batches of like length whose padded tokens fit the budget."""
    rows = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    while rows:
        size = max(1, budget // (lengths[rows[0]] + 2))
        yield rows[:size]
        rows = rows[size:]
