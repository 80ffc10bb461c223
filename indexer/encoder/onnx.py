"""The encoder in ONNX Runtime: a model folder, verified, run on the CPU. Only what our own export wrote is read."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from indexer.encoder.batches import Batches, lacks_memory
from indexer.encoder.files import STATIC, TOKENIZER, graph_name, read_config, verify
from indexer.encoder.interface import Ids, Tokens, Vectors, check_depth, check_window
from indexer.encoder.static import StaticExit
from indexer.encoder.tokens import Tokeniser, framed
from indexer.errors import EnvironmentFailed, ModelDamaged


class OnnxEncoder:
    """An encoder loaded from a folder that `indexer.training.export` wrote: queries and code without prompts."""

    query_prompt = document_prompt = ""

    def __init__(self, folder: Path, threads: int) -> None:
        self.fingerprint = verify(folder)
        config = read_config(folder)
        self.name = config.name
        self.dimension = config.dimension
        self.depths = config.depths
        self.window = config.window
        scorer = config.block_scorer
        self.block_scorer: Vectors | None = None if scorer is None else np.array(scorer, dtype=np.float32)
        self._special = ((config.start_id,), (config.end_id,))
        self._tokeniser = Tokeniser(Tokenizer.from_file(str(folder / TOKENIZER)))
        self._folder, self._threads = folder, threads
        self.static = StaticExit(folder / STATIC, config.dimension, config.static_shares)
        self._batches = Batches()
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path | None = None, threads: int | None = None) -> OnnxEncoder:
        """Load a model folder, or the shipped one; raise ModelDamaged if a file is not what it was."""
        return cls(folder or default_model_folder(), threads or os.cpu_count() or 1)

    @property
    def shortage(self) -> str:
        """What was made smaller for want of memory, in words; empty where nothing was."""
        return self._batches.shortage

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of texts of any length, none dropped."""
        return self._tokeniser.tokenise(texts)

    def encode(self, token_ids: Sequence[Ids], depth: int) -> Vectors:
        """Return vectors (n, dimension) of norm 1 in the order given; UsageError for an unknown depth.

        Where memory is short batches become smaller, for good; OutOfMemory for a text that does not fit alone.
        """
        check_depth(depth, self.depths)
        check_window(token_ids, self.window)
        if depth == 0:
            return self.static.encode(token_ids)
        session = self._session(depth)

        def forward(batch: Sequence[Ids]) -> Vectors:
            vectors: Vectors = session.run(None, {"ids": framed(batch, *self._special)})[0]
            return self.static.beside(vectors, batch, depth)

        return self._batches.encode(token_ids, self.dimension, forward)

    def _session(self, depth: int) -> Any:
        """Return the graph of a depth, loaded at first use."""
        with self._lock:
            if depth not in self._sessions:
                self._sessions[depth] = _session(self._folder / graph_name(depth), self._threads, self.dimension)
            return self._sessions[depth]


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
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if not lacks_memory(error):
            raise
        raise EnvironmentFailed(f"there is too little memory to load the model file {path}") from error
    found = session.get_outputs()[0].shape[-1]
    if found != dimension:
        raise ModelDamaged(f"the model file {path} gives vectors of {found} numbers where {dimension} are said")
    return session
