"""Generations from a causal language model on this machine (extra `models`): a folder that transformers can load.

Nothing is downloaded, and no code that comes with a model is run.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
import time
from pathlib import Path
from typing import Any

from indexer.errors import EnvironmentFailed, UsageError
from indexer.generators import prompts
from indexer.generators.interface import Budget, Generation, OutOfTime, Request, Unusable
from indexer.generators.replies import read_reply

_NEEDED = ("torch", "transformers")


class Local:
    """A generator that runs a model here, one request at a time; the model is loaded at the first one."""

    def __init__(self, folder: Path) -> None:
        missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise UsageError(f"a generator on this machine needs the extra `models` ({missing[0]} is not installed): "
                             "pip install 'fathom-search[models]'")  # fmt: skip
        if not (folder / "config.json").is_file():
            raise UsageError(f"{folder} is no folder of a language model: it has no config.json")
        self.name = f"{folder.resolve().name} (prompts {prompts.VERSION})"
        self._folder = folder
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def generate(self, request: Request, budget: Budget) -> Generation:
        """Return the texts that are written within the budget; raise GenerationFailed where there is none.

        The model is asked to stop between two tokens: a deadline is passed by the time of one, and by the loading of
        the model at the first request.
        """
        begun = time.monotonic()
        if not self._lock.acquire(timeout=budget.seconds):
            raise OutOfTime(f"the model {self._folder.name} was busy for {budget.seconds:g} s")
        try:
            tokenizer, model = self._load()
            left = begun + budget.seconds - time.monotonic()
            if left <= 0:
                raise OutOfTime(f"loading the model {self._folder.name} took longer than {budget.seconds:g} s")
            read, written = _written(tokenizer, model, request, budget, left)
        finally:
            self._lock.release()
        replies = tokenizer.batch_decode(written, skip_special_tokens=True)
        texts = tuple(filter(None, (read_reply(reply, request) for reply in replies)))
        if not texts:
            raise Unusable(f"the model {self._folder.name} wrote no {request.task.value}")
        counted = sum(int((row != tokenizer.pad_token_id).sum()) for row in written)
        return Generation(texts, self.name, time.monotonic() - begun, read * request.count, counted)

    def close(self) -> None:
        """Free the model."""
        with self._lock:
            self._loaded = None

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            transformers = importlib.import_module("transformers")
            options = {"local_files_only": True, "trust_remote_code": False}
            try:
                tokenizer = transformers.AutoTokenizer.from_pretrained(self._folder, **options)
                model = transformers.AutoModelForCausalLM.from_pretrained(self._folder, **options)
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                raise EnvironmentFailed(f"the language model {self._folder} cannot be loaded: {error}") from error
            if tokenizer.pad_token_id is None:
                tokenizer.pad_token = tokenizer.eos_token
            self._loaded = tokenizer, model.eval()
        return self._loaded


def _written(tokenizer: Any, model: Any, request: Request, budget: Budget, seconds: float) -> tuple[int, Any]:
    """Return how many tokens were read, and the token ids of each text that was written."""
    torch = importlib.import_module("torch")
    tokens = budget.tokens or prompts.REPLY_TOKENS[request.task]
    given = tokenizer(_prompt(tokenizer, request), return_tensors="pt", add_special_tokens=not tokenizer.chat_template)
    longest = getattr(model.config, "max_position_embeddings", None)
    read = int(given["input_ids"].shape[1])
    if longest is not None and read + tokens > longest:
        raise Unusable(f"the prompt of {read} tokens and a reply of {tokens} do not fit the model's {longest}")
    temperature = prompts.TEMPERATURES[request.task]
    sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
    with torch.inference_mode():
        made = model.generate(
            input_ids=given["input_ids"],
            attention_mask=given["attention_mask"],
            max_new_tokens=tokens,
            max_time=seconds,
            num_return_sequences=request.count if temperature else 1,
            pad_token_id=tokenizer.pad_token_id,
            **sampling,
        )
    return read, made[:, read:]


def _prompt(tokenizer: Any, request: Request) -> str:
    turns = prompts.messages(request)
    if tokenizer.chat_template:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    return "\n\n".join(turn["content"] for turn in turns) + "\n\n"
