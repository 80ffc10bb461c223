"""From a run to a model folder: what is fitted to the finished trunk, and all of it exported.

The token table and the block scorer are learnt from the deepest exit as it will run, in 8 bits.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from indexer.encoder.files import CONFIG, STATIC, write_hashes
from indexer.encoder.interface import Vectors
from indexer.encoder.onnx import OnnxEncoder
from indexer.encoder.static import read_table, write_table
from indexer.encoder.units import embed_blocks
from indexer.errors import EnvironmentFailed, UsageError
from indexer.progress import Progress, Report, silent
from indexer.training.blocks import fit_scorer
from indexer.training.export import write_folder
from indexer.training.loop import CHECKPOINT, read_checkpoint
from indexer.training.pairs import Counts, Pair, Pairs, read_pairs
from indexer.training.recipe import Recipe
from indexer.training.shape import read_shape
from indexer.training.static import first_table, fit_table

# Characters from which a code is likely to need two blocks, and how many such codes the scorer is fitted to.
_LONG = 1_200
_LONG_CODES = 4_000
# Queries by which a model is known again, and the cosine of a vector and itself after rounding.
_CHECKED, _SAME = 64, 0.99
# Queries encoded between two reports.
_CHUNK = 8_192


def ship(
    run: Path,
    base: Path,
    target: Path,
    pairs: Pairs,
    files: Sequence[Path],
    *,
    whole: Path | None = None,
    report: Report = silent,
) -> None:
    """Fit the token table and the block scorer to a run's checkpoint, and write the model folder `target`.

    `base` is the folder of the model that the run began with, `files` the pair files in which long codes are found.
    In `whole` the same model is written in float32, for comparison. Raises UsageError for a run of another version.
    """
    state = read_checkpoint(run / CHECKPOINT)
    try:
        recipe = Recipe.model_validate_json(state["recipe"])
    except ValidationError as error:
        raise UsageError(f"the recipe of the run in {run} is of another version: {error.errors()[0]['msg']}") from error
    weights = {name: value.float().numpy() for name, value in state["model"].items()}
    shape = read_shape(json.loads((base / "config.json").read_text()))
    depths, name, tokenizer = recipe.model.depths, recipe.model.name, base / "tokenizer.json"
    with tempfile.TemporaryDirectory() as scratch:
        write_folder(Path(scratch), weights, shape, depths, tokenizer, name)
        encoder = OnnxEncoder.load(Path(scratch))
        queries = _queries(encoder, pairs, report)
        singles = [np.array([token], dtype=np.int32) for token in range(shape.words)]
        start = first_table(encoder.encode(singles, depths[-1]), pairs)
        made: dict[str, Any] = {
            "static": fit_table(start, pairs, queries, recipe.static, recipe.loss, report=report),
            "pooling": recipe.static.pooling(),
            "static_shares": recipe.static.shares,
        }
        write_folder(Path(scratch), weights, shape, depths, tokenizer, name, **made)
        made["block_scorer"] = _scorer(OnnxEncoder.load(Path(scratch)), files).tolist()
    write_folder(target, weights, shape, depths, tokenizer, name, **made)
    if whole is not None:
        write_folder(whole, weights, shape, depths, tokenizer, name, quantised=False, **made)


def refit(model: Path, target: Path, pairs: Pairs, recipe: Recipe, report: Report = silent) -> None:
    """Write to the folder `target` the model in `model` with its exit 0 fitted to more pairs.

    It is pooled as the recipe says, and the deeper exits have the recipe's shares of it. Raise UsageError where the
    pairs were not prepared with this model, or it has no exit 0.
    """
    encoder = OnnxEncoder.load(model)
    if not set(recipe.static.shares) | {0} <= set(encoder.depths):
        raise UsageError(
            f"the model in {model} has exits {encoder.depths}: none at 0 to fit, or not those of the recipe"
        )
    if target.resolve() == model.resolve():
        raise UsageError("--target is --model: name another folder to write")
    if not _prepared_with(encoder, pairs):
        raise UsageError(f"the pairs were not prepared with this model: run `fathom train prepare --base {model}`")
    start, _ = read_table(model / STATIC, encoder.dimension)
    table = fit_table(start, pairs, pairs.frozen, recipe.static.again(), recipe.loss, report=report)
    try:
        shutil.copytree(model, target, dirs_exist_ok=True)
        write_table(target / STATIC, table, recipe.static.pooling())
        config = json.loads((target / CONFIG).read_text(encoding="utf-8"))
        (target / CONFIG).write_text(json.dumps({**config, "static_shares": recipe.static.shares}, indent=2) + "\n")
        write_hashes(target)
    except OSError as error:
        raise EnvironmentFailed(f"the model cannot be written to {target}: {error}") from error


def _prepared_with(encoder: OnnxEncoder, pairs: Pairs) -> bool:
    """Tell whether the vectors of the pairs' queries are this model's."""
    some = np.linspace(0, len(pairs) - 1, num=min(_CHECKED, len(pairs)), dtype=np.int64)
    texts = [pairs.queries[row].astype(np.int32)[: encoder.window] for row in some]
    if pairs.frozen.shape[1] != encoder.dimension:
        return False
    own = encoder.encode(texts, encoder.depths[-1])
    return bool((np.vecdot(own, pairs.frozen[some].astype(np.float32)) > _SAME).all())


def _queries(encoder: OnnxEncoder, pairs: Pairs, report: Report) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    parts = []
    for first in range(0, len(pairs), _CHUNK):
        rows = range(first, min(first + _CHUNK, len(pairs)))
        texts = [pairs.queries[row].astype(np.int32) for row in rows]
        parts.append(encoder.encode(texts, encoder.depths[-1]).astype(np.float16))
        report(Progress("Encoding queries", rows.stop, len(pairs), "queries"))
    return np.concatenate(parts)


def _scorer(encoder: OnnxEncoder, files: Sequence[Path]) -> Vectors:
    """Return the block scorer, fitted to long codes spread over the files."""
    long = [pair for pair in read_pairs(files, Counts()) if len(pair.code) >= _LONG]
    chosen = [long[row] for row in np.linspace(0, len(long) - 1, num=min(_LONG_CODES, len(long)), dtype=np.int64)]
    blocks, queries = long_units(encoder, chosen)
    if not blocks:
        raise UsageError("no code of the pair files is long enough for two blocks: none to learn attention from")
    return fit_scorer(blocks, queries)


def long_units(encoder: OnnxEncoder, pairs: Sequence[Pair]) -> tuple[list[Vectors], Vectors]:
    """Return the block vectors of each code that has two blocks or more, and the vectors of their queries."""
    depth = encoder.depths[-1]
    blocks = embed_blocks(encoder, [pair.code for pair in pairs], depth)
    long = [(part, pair.query) for part, pair in zip(blocks, pairs, strict=True) if len(part) > 1]
    if not long:
        return [], np.empty((0, encoder.dimension), np.float32)
    asked = [tokens.ids[: encoder.window] for tokens in encoder.tokenise([query for _, query in long])]
    return [part for part, _ in long], encoder.encode(asked, depth)
