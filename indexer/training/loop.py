"""The training loop: batches, losses, steps; resumable, the same on a processor and on one GPU.

A run lives in a folder: `checkpoint.pt` (weights, optimiser, step, recipe), `log.jsonl` (a line every few steps), and
`held.pt`, the state before the rate went down, from which a longer run goes on.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from indexer.encoder.interface import Ids
from indexer.errors import EnvironmentFailed, UsageError
from indexer.progress import Progress, Report, silent
from indexer.training.batches import Sampler, TrainingBatch
from indexer.training.exported import read_exported
from indexer.training.heads import initialise_exits
from indexer.training.losses import Seen, losses
from indexer.training.model import Batch, MultiExit, from_base, padded
from indexer.training.pairs import Pairs
from indexer.training.recipe import Recipe, RunPart
from indexer.training.tokenizer import text_id

CHECKPOINT = "checkpoint.pt"
HELD = "held.pt"
LOG = "log.jsonl"
# Steps whose losses are averaged to one line of the log.
_LOG_EVERY = 20
# Texts of one pass, and what their length is rounded up to: passes have few shapes, and a processor's kernels are
# made once for each.
_PASS_TEXTS = 32
_LENGTH_STEP = 8


@dataclass(frozen=True, slots=True)
class Special:
    """The ids that begin and end every text."""

    start: int
    end: int


class Run:
    """One run of training in a folder."""

    def __init__(
        self, folder: Path, model: MultiExit, recipe: Recipe, special: Special, device: str | None = None
    ) -> None:
        """Go on from the folder's checkpoint, where there is one; UsageError if it is another recipe's.

        `model` comes as the base model, which documented code is held to.
        """
        self.folder, self.model, self.recipe, self.special = folder, model, recipe, special
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model.to(self.device)
        self.base = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.model.words.weight.requires_grad_(False)
        self.optimiser = torch.optim.AdamW(_groups(model, recipe.run), fused=True, betas=(0.9, 0.98))
        self._rates = [group["lr"] for group in self.optimiser.param_groups]
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._load()

    def train(
        self, pairs: Pairs, vocabulary: Mapping[str, int], *, minutes: float | None = None, report: Report = silent
    ) -> None:
        """Train until the recipe's steps are done, or the time is up; what was done is kept either way.

        `vocabulary` are the tokenizer's words and their ids.
        """
        recipe = self.recipe
        words = np.array([number for word, number in vocabulary.items() if word.isalpha()], dtype=np.int64)
        sampler = Sampler(pairs, recipe.data, recipe.run.seed, words, vocabulary)
        ends = time.monotonic() + 60 * minutes if minutes is not None else None
        began, tokens, sums, count = time.monotonic(), 0, dict[str, float](), 0
        while self.step < recipe.run.steps and (ends is None or time.monotonic() < ends):
            batch = sampler.batch(self.step, recipe.run.batch, recipe.loss.frozen_queries)
            for name, value in self._one(batch, pairs).items():
                sums[name] = sums.get(name, 0.0) + value
            tokens += sum(map(len, batch.queries)) + sum(map(len, batch.codes))
            self.step += 1
            count += 1
            if self.step % _LOG_EVERY == 0:
                seconds = time.monotonic() - began
                terms = {name: round(value / count, 5) for name, value in sums.items()}
                self._log({"step": self.step, "tokens_per_second": round(tokens / seconds), **terms})
                began, tokens, sums, count = time.monotonic(), 0, {}, 0
            if self.step == hold_step(recipe.run):
                self._save(HELD)
            if self.step % recipe.run.save_every == 0:
                self._save(CHECKPOINT)
            report(Progress("Training", self.step, recipe.run.steps, "steps"))
        self._save(CHECKPOINT)

    def _one(self, batch: TrainingBatch, pairs: Pairs) -> dict[str, float]:
        """Take one step; return the terms of its loss."""
        factor = rate_factor(self.step, self.recipe.run)
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = factor * rate
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16):
            codes = self.encode(batch.codes)
            queries = self.encode(batch.queries)
            anchored = np.flatnonzero(batch.documented)
            with torch.no_grad():
                anchors = self.encode([batch.codes[row] for row in anchored], self.base)
        seen = Seen(
            codes=codes,
            queries=queries,
            frozen=self._frozen(pairs, batch.rows),
            others=self._frozen(pairs, batch.negatives),
            answered=torch.from_numpy(pairs.unit[batch.rows][:, None] == pairs.unit[batch.negatives]).to(self.device),
            anchors=anchors[self.model.depths[-1]],
            anchored=torch.from_numpy(anchored).to(self.device),
            package=torch.from_numpy(pairs.package[batch.rows]).to(self.device),
        )
        terms = losses(seen, self.recipe.loss)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise EnvironmentFailed(f"the loss is {loss.item()} at step {self.step}; the last checkpoint stands")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return {name: value.item() for name, value in terms.items()}

    def encode(self, texts: Sequence[Ids], model: MultiExit | None = None) -> dict[int, Tensor]:
        """Return each exit's vectors (n, dim) in the order given, encoded in passes of like length."""
        if not len(texts):
            nothing = torch.empty(0, self.model.shape.hidden, device=self.device)
            return dict.fromkeys(self.model.depths, nothing)
        model = model or self.model
        order = sorted(range(len(texts)), key=lambda row: (len(texts[row]), row))
        parts: dict[int, list[Tensor]] = {depth: [] for depth in self.model.depths}
        for first in range(0, len(order), _PASS_TEXTS):
            batch = self._batch([texts[row] for row in order[first : first + _PASS_TEXTS]])
            for depth, vectors in model(batch).items():
                parts[depth].append(vectors)
        back = torch.from_numpy(np.argsort(order)).to(self.device)
        return {depth: torch.cat(vectors)[back] for depth, vectors in parts.items()}

    def _batch(self, texts: Sequence[Ids]) -> Batch:
        return padded(texts, (self.special.start, self.special.end), self.device, _LENGTH_STEP)

    def _frozen(self, pairs: Pairs, rows: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(pairs.frozen[rows].astype(np.float32)).to(self.device)

    # keeping

    def _state(self) -> dict[str, Any]:
        return {
            "identity": self.recipe.identity(),
            "recipe": self.recipe.model_dump_json(),
            "step": self.step,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def _save(self, name: str) -> None:
        scratch = self.folder / f"writing-{name}"
        try:
            torch.save(self._state(), scratch)
            scratch.replace(self.folder / name)
        except (OSError, RuntimeError) as error:  # torch says a full disk in both ways
            scratch.unlink(missing_ok=True)
            place = self.folder / name
            raise EnvironmentFailed(f"{place} cannot be written: {error}; the one before stands") from error

    def _load(self) -> None:
        path = self.folder / CHECKPOINT
        if path.exists():
            state = read_checkpoint(path)
            if state["identity"] != self.recipe.identity():
                raise UsageError(f"the run in {self.folder} is of another recipe; give this one another folder")
            held = self.folder / HELD
            if _ended(state, self.recipe) and held.exists():
                state = read_checkpoint(held)
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]

    def _log(self, line: dict[str, Any]) -> None:
        with (self.folder / LOG).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def fit(
    folder: Path,
    base: Path,
    recipe: Recipe,
    pairs: Pairs,
    *,
    start: Path | None = None,
    share: float = 1.0,
    minutes: float | None = None,
    device: str | None = None,
    report: Report = silent,
) -> int:
    """Begin or go on with the run in `folder` from the base model in `base`; return how many steps are done.

    A run that begins takes its weights from `start`, where it is named, the checkpoint of another run or the folder
    of an exported model: its inner exits, and `share` of all else, the rest from the base model.
    """
    tokenizer = _tokenizer(base)
    run = open_run(folder, base, recipe, device)
    model = run.model
    if not run.step and start is not None:
        model.load_state_dict(_mixed(_start(start, model), model, share))
    elif not run.step:
        initialise_exits(model, run.encode, pairs, recipe.data.code_tokens)
    run.train(pairs, tokenizer["model"]["vocab"], minutes=minutes, report=report)
    return run.step


def open_run(folder: Path, base: Path, recipe: Recipe, device: str | None = None) -> Run:
    """Return the run in `folder` where it stands, or a new one of the base model in `base`."""
    tokenizer = _tokenizer(base)
    special = Special(text_id(tokenizer, "[CLS]"), text_id(tokenizer, "[SEP]"))
    return Run(folder, from_base(base, recipe.model.depths), recipe, special, device)


def _tokenizer(base: Path) -> Any:
    return json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))


def _start(path: Path, base: MultiExit) -> dict[str, Tensor]:
    """Return the weights in the checkpoint or the model folder `path`; what a folder lacks is the base's."""
    if not path.is_dir():
        weights: dict[str, Tensor] = read_checkpoint(path)["model"]
        return weights
    result = {name: torch.tensor(value) for name, value in read_exported(path, base.depths).items()}
    held = len(result["places.weight"])
    result["places.weight"] = torch.cat([result["places.weight"], base.places.weight[held:].detach()])
    return result


def _mixed(start: Mapping[str, Tensor], base: MultiExit, share: float) -> dict[str, Tensor]:
    """Return weights between two models: what the base knew and training lost is partly had again.

    After WiSE-FT (Wortsman et al. 2022). The base's inner exits know nothing, so those of `start` stay.
    """
    inner = tuple(f"exits.{depth}." for depth in base.depths[:-1])
    return {
        name: start[name] if name.startswith(inner) else torch.lerp(value, start[name], share)
        for name, value in base.state_dict().items()
    }


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; raise UsageError naming a file that is none."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not state.keys() >= {"identity", "recipe", "step", "model", "optimiser"}:
            raise ValueError("not a checkpoint of this program")
    except Exception as error:
        raise UsageError(f"the checkpoint {path} cannot be read: {error}") from error
    return state


def rate_factor(step: int, run: RunPart) -> float:
    """Return the share of the full rate at a step: up, level, and down over the last share of the steps."""
    decay = max(1, run.steps - hold_step(run))
    return min(1.0, (step + 1) / max(1, run.warmup), max(0.0, (run.steps - step) / decay))


def hold_step(run: RunPart) -> int:
    """Return the step at which the rate begins to go down."""
    return run.steps - round(run.steps * run.decay)


def _ended(state: dict[str, Any], recipe: Recipe) -> bool:
    """Tell whether a checkpoint is of a run that was shorter than this one, and slowed down at its end."""
    run = Recipe.model_validate_json(state["recipe"]).run
    return bool(run.steps < recipe.run.steps and state["step"] > hold_step(run))


def _groups(model: MultiExit, run: RunPart) -> list[dict[str, Any]]:
    """Return the parameters with their rates: heads learn fast, the layers behind the last inner exit slowly."""
    inner = model.depths[-2] if len(model.depths) > 1 else 0
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("exits."):
            rate = run.head_rate if not name.startswith(f"exits.{model.depths[-1]}.") else run.deep_rate
        elif name.startswith("layers.") and int(name.split(".")[1]) >= inner:
            rate = run.deep_rate
        else:
            rate = run.rate
        decay = run.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()]
