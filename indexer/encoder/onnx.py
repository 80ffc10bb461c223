"""The encoder in ONNX Runtime: a model folder, verified, run on the CPU in batches of like length."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from indexer.encoder.files import verify
from indexer.encoder.interface import Ids, Tokens, Vectors, check_depth, check_window

# Tokens of a batch: enough to fill the cores, small enough to stay in the cache and bound the memory.
_BATCH_TOKENS = 2_048


class OnnxEncoder:
    """An encoder loaded from a folder that `indexer.training.export` wrote."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.fingerprint = verify(folder)
        config = json.loads((folder / "config.json").read_text())
        self.name: str = config["name"]
        self.dimension: int = config["dimension"]
        self.depths: tuple[int, ...] = tuple(config["depths"])
        self.window: int = config["window"]
        self._special = (config["start_id"], config["end_id"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._session = _session(folder / "model.onnx", threads)

    @classmethod
    def load(cls, folder: Path | None = None, threads: int | None = None) -> OnnxEncoder:
        """Load a model folder, or the shipped one; raise ModelDamaged if a file is not what it was."""
        return cls(folder or default_model_folder(), threads or os.cpu_count() or 1)

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of texts of any length, none dropped."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [
            Tokens(
                np.array(encoding.ids, dtype=np.int32),
                np.array([start for start, _ in encoding.offsets], dtype=np.int32),
            )
            for encoding in encodings
        ]

    def encode(self, token_ids: Sequence[Ids], depth: int) -> Vectors:
        """Return vectors (n, dimension) of norm 1 in the order given; UsageError for an unknown depth."""
        check_depth(depth, self.depths)
        check_window(token_ids, self.window)
        result = np.empty((len(token_ids), self.dimension), dtype=np.float32)
        for rows in _batches([len(ids) for ids in token_ids]):
            result[rows] = self._session.run(None, {"ids": self._inputs([token_ids[row] for row in rows])})[0]
        return result

    def _inputs(self, batch: Sequence[Ids]) -> Ids:
        ids = np.empty((len(batch), len(batch[0]) + 2), dtype=np.int32)
        ids[:, 0], ids[:, -1] = self._special
        ids[:, 1:-1] = np.stack(batch)
        return ids


def default_model_folder() -> Path:
    """Return the shipped model's folder: in the installed package, or in a checkout."""
    installed = Path(__file__).with_name("model")
    if installed.is_dir():
        return installed
    return Path(__file__).resolve().parents[2] / "data" / "models" / "all-MiniLM-L6-v2"


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A spinning thread takes a core from whoever parses or searches beside us.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield rows in batches of one length each, within the token budget.

    Padding would change the order of sums, and with it, after rounding to bytes, a text's vector.
    """
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    for length, group in groupby(order, key=lambda row: lengths[row]):
        rows = list(group)
        size = max(1, _BATCH_TOKENS // (length + 2))
        for first in range(0, len(rows), size):
            yield rows[first : first + size]
