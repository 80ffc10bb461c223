"""Any Sentence Transformers model in a folder: transformers with their pooling and heads, and static tables.

Such a model has one depth, its deepest. Nothing is fetched, and code of its own runs for those who are trusted only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from indexer.encoder.batches import Batches
from indexer.encoder.interface import Ids, Tokens, Vectors, check_depth, check_window
from indexer.encoder.pretrained.folder import fingerprint, named, refuse_pickles
from indexer.encoder.pretrained.loading import library, loading, require
from indexer.encoder.pretrained.text import TextInput
from indexer.encoder.pretrained.vectors import unit_vectors
from indexer.errors import ModelDamaged, UsageError

# A static table takes a text of any length; over so many tokens a mean says little of any of them.
_STATIC_WINDOW = 512
# Under these names models keep what they want before a document, the first that is there.
_DOCUMENT = ("document", "passage", "corpus")


class SentenceEncoder:
    """An encoder out of a folder that Sentence Transformers saved."""

    block_scorer: Vectors | None = None

    def __init__(self, folder: Path, *, trusted: bool = False, threads: int | None = None) -> None:
        """Load a model; `trusted` runs code that comes with it, `threads` is how many cores torch may take.

        Raises UsageError without the extra `models`, for a model that needs trust it has not got, and for one that
        Fathom cannot run; ModelDamaged where it does not load; EnvironmentFailed for want of memory or a package.
        """
        require()
        refuse_pickles(folder)
        self.name, self.fingerprint = named(folder), fingerprint(folder)
        with loading(folder):
            self._torch = library("torch")
            if threads is not None:
                self._torch.set_num_threads(threads)
            self._model = _loaded(folder, self._torch, trusted=trusted)
            trunk = self._model.transformers_model
            self.depths: tuple[int, ...] = (0 if trunk is None else getattr(trunk.config, "num_hidden_layers", 1),)
            self._input = TextInput(self._model.tokenizer, _longest(self._model, static=trunk is None))
            self._set_prompts(self._model.prompts)
            self._batches = Batches()
            self.window, self.dimension = self._input.window, 1
            self.dimension = self._forward([np.ones(1, np.int32)]).shape[1]

    @property
    def shortage(self) -> str:
        """What was made smaller for want of memory, in words; empty where nothing was."""
        return self._batches.shortage

    def tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of texts of any length, none dropped."""
        return self._input.tokenise(texts)

    def encode(self, token_ids: Sequence[Ids], depth: int) -> Vectors:
        """Return vectors (n, dimension) of norm 1 in the order given; UsageError for an unknown depth.

        Where memory is short batches become smaller, for good; OutOfMemory for a text that does not fit alone.
        """
        check_depth(depth, self.depths)
        check_window(token_ids, self.window)
        return self._batches.encode(token_ids, self.dimension, self._forward)

    def _forward(self, batch: Sequence[Ids]) -> Vectors:
        rows = self._input.rows(batch)
        if not rows.shape[1]:
            return unit_vectors(np.zeros((len(rows), self.dimension), np.float32))
        ids = self._torch.from_numpy(rows.astype(np.int64)).to(self._model.device)
        with self._torch.inference_mode():
            made = self._model(self._features(ids))["sentence_embedding"].float().cpu().numpy()
        return unit_vectors(made[:, : self._model.truncate_dim])

    def _features(self, ids: Any) -> dict[str, Any]:
        """Return rows of ids (n, length) as the first module takes them: a static table wants one row and its cuts."""
        if self.depths == (0,):
            cuts = self._torch.arange(0, ids.numel(), ids.shape[1], device=ids.device)
            return {"input_ids": ids.flatten(), "offsets": cuts}
        return {"input_ids": ids, "attention_mask": self._torch.ones_like(ids)}

    def _set_prompts(self, prompts: Mapping[str, str | None]) -> None:
        self.query_prompt = prompts.get("query") or ""
        self.document_prompt = next(filter(None, map(prompts.get, _DOCUMENT)), "")
        self._input.check_prompts(self.query_prompt, self.document_prompt)
        left_out = any(getattr(module, "include_prompt", True) is False for module in self._model)
        if left_out and self.query_prompt + self.document_prompt:
            raise UsageError(f"the model {self.name} leaves its prompts out of its vectors, which Fathom cannot do")


def _loaded(folder: Path, torch: Any, *, trusted: bool) -> Any:
    """Return the model, its weights as 32-bit floats: with fewer bits a vector depends on its batch."""
    options = {"local_files_only": True, "trust_remote_code": trusted}
    model = library("sentence_transformers").SentenceTransformer(
        str(folder), **options, model_kwargs={"use_safetensors": True, "dtype": torch.float32}
    )
    _refuse_unread(folder, model)
    return model.eval()


def _refuse_unread(folder: Path, model: Any) -> None:
    """Raise ModelDamaged where most weights are not in the file: the library would have made them up, in silence."""
    path = folder / "model.safetensors"
    if model.transformers_model is None or not path.is_file():
        return
    with library("safetensors").safe_open(path, "np") as weights:
        stored = {name.rpartition(".")[0].rpartition(".")[2] for name in weights.keys()}  # noqa: SIM118 - no mapping
    wanted = [name for name, _ in model.transformers_model.named_parameters()]
    made_up = [name for name in wanted if name.rpartition(".")[0].rpartition(".")[2] not in stored]
    if 2 * len(made_up) > len(wanted):
        raise ModelDamaged(f"the model file {path} lacks {len(made_up)} of {len(wanted)} weights, such as {made_up[0]}")


def _longest(model: Any, *, static: bool) -> int | None:
    """Return how many tokens a model takes at most, None where it does not say."""
    if static:
        return _STATIC_WINDOW
    said = model.get_max_seq_length() or getattr(model.transformers_model.config, "max_position_embeddings", None)
    return None if said is None else int(said)
