"""ModularStarEncoder, and models built like it: exits at the layers that the configuration lists, all in one space.

Their architecture is code in the model's folder, so nothing here runs before the user has named the model as trusted.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from indexer.encoder.batches import Batches
from indexer.encoder.interface import Ids, Tokens, Vectors, check_depth, check_window
from indexer.encoder.pretrained.folder import CONFIG, exit_layers, fingerprint, named, read_json, refuse_pickles
from indexer.encoder.pretrained.loading import library, loading, refuse_untrusted, require
from indexer.encoder.pretrained.text import TextInput
from indexer.encoder.pretrained.vectors import unit_vectors
from indexer.errors import UsageError

# Where the model's code puts the vectors of its exits, pooled and through their heads, the shallowest first.
_VECTORS = "projected_pooled_normalized"
# What the model was trained with before a description, and before code, where its card names the language as well.
_QUERY = "Represent this code description for retrieving supporting snippets of code:"
_DOCUMENT = "Represent this code snippet for retrieval:"
# Vectors of a model cut at an exit and of the whole one's are this near, or the cut is not what the code means.
_SAME = 1e-3
_PROBE = "def read(path): return open(path).read()"


class ModularEncoder:
    """An encoder of several depths out of a folder with code of its own. Cut at an exit, only what is needed is run."""

    block_scorer: Vectors | None = None

    def __init__(self, folder: Path, *, trusted: bool = False, threads: int | None = None) -> None:
        """Prepare a model, whose weights are loaded as depths are asked for; it runs its own code if it is `trusted`.

        Raises UsageError without the extra `models`, without trust, and where the configuration lists no exits.
        """
        require()
        if not trusted:
            refuse_untrusted(folder)
        refuse_pickles(folder)
        self._folder, self._listed = folder, exits_of(folder)
        self.name, self.fingerprint = named(folder), fingerprint(folder)
        self.depths = self._listed[1]
        self._lock, self._batches = threading.Lock(), Batches()
        self._models: dict[int, Any] = {}
        with loading(folder):
            self._torch = library("torch")
            if threads is not None:
                self._torch.set_num_threads(threads)
            self._options = {"local_files_only": True, "trust_remote_code": True}
            self._library = library("transformers")
            self._config = self._library.AutoConfig.from_pretrained(folder, **self._options)
            self._set_text(self._library.AutoTokenizer.from_pretrained(folder, **self._options))
            self.dimension = self._run(self._deepest(), self.depths[-1], self._probe()).shape[1]

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
        model = self._at(depth)
        return self._batches.encode(token_ids, self.dimension, lambda batch: self._run(model, depth, batch))

    def _set_text(self, tokenizer: Any) -> None:
        """Frame texts as in training: separator, instruction, separator, text, and the token that is pooled."""
        separator, pooled = tokenizer.sep_token_id, tokenizer.cls_token_id
        longest = getattr(self._config, "max_position_embeddings", None)
        if separator is None or pooled is None:
            raise UsageError(f"the tokeniser of {self._folder} has no sep_token or no cls_token, which its model pools")
        self._input = TextInput(tokenizer, longest, start=(separator,), end=(pooled,))
        self.window = self._input.window
        self.query_prompt, self.document_prompt = (text + tokenizer.sep_token for text in (_QUERY, _DOCUMENT))
        self._input.check_prompts(self.query_prompt, self.document_prompt)

    def _at(self, depth: int) -> Any:
        """Return what is run for a depth: the model cut there, or, where the cut gives other vectors, the whole."""
        with self._lock:
            if depth not in self._models:
                with loading(self._folder):
                    cut, whole = self._cut(depth), self._deepest()
                    made = [self._run(model, depth, self._probe()) for model in (cut, whole)]
                self._models[depth] = cut if np.abs(made[0] - made[1]).max() < _SAME else whole
            return self._models[depth]

    def _deepest(self) -> Any:
        last = self.depths[-1]
        if last not in self._models:
            self._models[last] = self._loaded(self._config)
        return self._models[last]

    def _cut(self, depth: int) -> Any:
        config = self._library.AutoConfig.from_pretrained(self._folder, **self._options)
        config.num_hidden_layers = depth
        setattr(config, self._listed[0], [layer for layer in self.depths if layer <= depth])
        return self._loaded(config)

    def _loaded(self, config: Any) -> Any:
        model = self._library.AutoModel.from_pretrained(
            self._folder, config=config, use_safetensors=True, dtype=self._torch.float32, **self._options
        )
        return model.to("cuda" if self._torch.cuda.is_available() else "cpu").eval()

    def _probe(self) -> list[Ids]:
        return [tokens.ids for tokens in self.tokenise([_PROBE])]

    def _run(self, model: Any, depth: int, batch: Sequence[Ids]) -> Vectors:
        """Return what an exit gives for texts of one length."""
        ids = self._torch.from_numpy(self._input.rows(batch).astype(np.int64)).to(model.device)
        with self._torch.inference_mode():
            found = getattr(model(input_ids=ids, attention_mask=self._torch.ones_like(ids)), _VECTORS, None)
        exits = self.depths[: self.depths.index(depth) + 1]
        if found is None or len(found) not in (len(exits), len(self.depths)):
            raise UsageError(f"the model {self._folder} gives no {_VECTORS} for its exits at {list(self.depths)}")
        return unit_vectors(found[len(exits) - 1].float().cpu().numpy())


def exits_of(folder: Path) -> tuple[str, tuple[int, ...]]:
    """Return the exits that a folder's configuration lists, as `exit_layers` does; raise UsageError for none."""
    found = exit_layers(read_json(folder / CONFIG))
    if found is None:
        raise UsageError(f"{folder / CONFIG} lists no layers at which the model has exits")
    return found
