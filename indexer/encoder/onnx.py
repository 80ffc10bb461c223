"""The encoder in ONNX Runtime: a model folder, verified, run on the CPU in batches of like length."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from indexer.encoder.files import STATIC, TOKENIZER, graph_name, read_config, verify
from indexer.encoder.interface import Ids, Tokens, Vectors, check_depth, check_window
from indexer.encoder.static import StaticExit
from indexer.errors import ModelDamaged

# Tokens of a batch: enough to fill the cores, small enough to stay in the cache and bound the memory.
_BATCH_TOKENS = 2_048


class OnnxEncoder:
    """An encoder loaded from a folder that `indexer.training.export` wrote."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.fingerprint = verify(folder)
        config = read_config(folder)
        self.name = config.name
        self.dimension = config.dimension
        self.depths = config.depths
        self.window = config.window
        scorer = config.block_scorer
        self.block_scorer: Vectors | None = None if scorer is None else np.array(scorer, dtype=np.float32)
        self._special = (config.start_id, config.end_id)
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._folder, self._threads = folder, threads
        self._static = StaticExit(folder / STATIC, config.dimension)
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()

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
        if depth == 0:
            return self._static.encode(token_ids)
        session = self._session(depth)
        result = np.empty((len(token_ids), self.dimension), dtype=np.float32)
        for rows in _batches([len(ids) for ids in token_ids]):
            result[rows] = session.run(None, {"ids": self._inputs([token_ids[row] for row in rows])})[0]
        return result

    def _session(self, depth: int) -> Any:
        """Return the graph of a depth, loaded at first use."""
        with self._lock:
            if depth not in self._sessions:
                self._sessions[depth] = _session(self._folder / graph_name(depth), self._threads, self.dimension)
            return self._sessions[depth]

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
    return Path(__file__).resolve().parents[2] / "data" / "models" / "fathom-multiexit"


def _session(path: Path, threads: int, dimension: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A spinning thread takes a core from whoever parses or searches beside us.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    found = session.get_outputs()[0].shape[-1]
    if found != dimension:
        raise ModelDamaged(f"the model file {path} gives vectors of {found} numbers where {dimension} are said")
    return session


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
