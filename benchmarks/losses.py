"""What each term of the training loss brings: short runs from the base model, one without each, on the same batches.

`python -m benchmarks.losses --base FOLDER --pairs FOLDER --runs FOLDER SET… [--stripped SET…]` (sets in BEIR layout, as
they are or with docstrings taken out). Vectors alone; every exit encodes the code, the deepest one the queries. A run
that was stopped goes on. Short runs say which way a term pulls, not how far it would in a whole one. Needs the extra
`train`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import write_result
from indexer.encoder.interface import Ids
from indexer.encoder.onnx import OnnxEncoder
from indexer.style.docstrings import without_docstrings
from indexer.training.loop import HELD, Run, fit, open_run
from indexer.training.pairs import Pairs, load_pairs
from indexer.training.recipe import Recipe, read_recipe
from search.evaluation.measures import DEPTH, Values, compare, estimate, evaluate
from search.evaluation.sets import TextSet, read_set

# What differs from the shipped recipe's losses in each run.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "all terms": {},
    "without vectors of the deepest": {"vectors": 0.0},
    "without similarities of the deepest": {"similarities": 0.0},
    "without both": {"vectors": 0.0, "similarities": 0.0},
    "without the base model's queries as negatives": {"frozen_queries": 0},
    "without base": {"base": 0.0},
    "without anchor": {"anchor": 0.0},
    "without base and anchor": {"base": 0.0, "anchor": 0.0},
    "with repository": {"repository": 1.0},
}
# Of a set as many queries, and as many texts besides their answers; of a text as many tokens as training sees.
_QUERIES = 500
_TEXTS = 1_000


@dataclass(frozen=True)
class Sample:
    """A set's queries and texts as token ids, with which text answers which query."""

    name: str
    queries: Mapping[str, Ids]
    texts: Mapping[str, Ids]
    relevance: Mapping[str, Mapping[str, int]]


def sample(path: Path, encoder: OnnxEncoder, tokens: int, *, stripped: bool = False) -> Sample:
    """Return the first queries of a set, their answers, and texts beside them."""
    found = read_set(path)
    assert isinstance(found, TextSet)
    queries = dict(list(found.queries.items())[:_QUERIES])
    relevance = {query: found.relevance[query] for query in queries}
    answers = {text for grades in relevance.values() for text in grades}
    others = [text for text in found.texts if text not in answers][: max(0, _TEXTS - len(answers))]
    texts = {name: found.texts[name] for name in [*sorted(answers), *others]}
    plain = [
        (without_docstrings(text.text, text.language) or text.text) if stripped else text.text
        for text in texts.values()
    ]
    return Sample(
        path.name,
        dict(zip(queries, _ids(encoder, list(queries.values()), tokens), strict=True)),
        dict(zip(texts, _ids(encoder, plain, tokens), strict=True)),
        relevance,
    )


def _ids(encoder: OnnxEncoder, texts: Sequence[str], tokens: int) -> list[Ids]:
    return [seen.ids[:tokens] for seen in encoder.tokenise(texts)]


def measure(run: Run, seen: Sample) -> dict[int, Values]:
    """Return each exit's measures on a sample."""
    run.model.eval()
    with torch.no_grad():
        texts = run.encode(list(seen.texts.values()))
        queries = run.encode(list(seen.queries.values()))[run.model.depths[-1]]
    names = list(seen.texts)
    values: dict[int, Values] = {}
    for depth, vectors in texts.items():
        order = np.argsort(-(queries @ vectors.T).numpy(), axis=1, kind="stable")[:, :DEPTH]
        ranked = {query: [names[at] for at in row] for query, row in zip(seen.queries, order, strict=True)}
        values[depth] = evaluate(seen.relevance, ranked)
    return values


def trained(name: str, recipe: Recipe, pairs: Pairs, arguments: argparse.Namespace) -> Run:
    """Train a variant to its end, or go on with it, and return it with the weights of its last step."""
    folder = arguments.runs / name.replace(" ", "-")
    fit(folder, arguments.base, recipe, pairs, device="cpu")
    (folder / HELD).unlink(missing_ok=True)  # a few hundred megabytes a variant that nothing goes on from
    return open_run(folder, arguments.base, recipe, "cpu")


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--stripped", nargs="*", type=Path, default=(), help="sets without their docstrings")
    parser.add_argument("--base", type=Path, required=True, help="folder of the float32 original of the base model")
    parser.add_argument("--pairs", type=Path, required=True, help="folder of prepared pairs")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--batch", type=int, default=32)
    arguments = parser.parse_args()
    shipped = read_recipe()
    pairs = load_pairs(arguments.pairs)
    encoder = OnnxEncoder.load()
    tokens = shipped.data.code_tokens
    samples = [sample(path, encoder, tokens) for path in arguments.sets]
    samples += [sample(path, encoder, tokens, stripped=True) for path in arguments.stripped]
    figures: dict[str, Any] = {}
    whole: dict[str, dict[int, Values]] = {}
    for name, changes in VARIANTS.items():
        length = {"steps": arguments.steps, "batch": arguments.batch, "save_every": arguments.steps}
        recipe = shipped.model_copy(
            update={
                "run": shipped.run.model_copy(update=length),
                "loss": shipped.loss.model_copy(update=dict(changes)),
            }
        )
        run = trained(name, recipe, pairs, arguments)
        found = {seen.name: measure(run, seen) for seen in samples}
        whole = whole or found
        figures[name] = {of: _row(values, whole[of]) for of, values in found.items()}
        print(name, *(f"\n  {of:20} {_told(row)}" for of, row in figures[name].items()), flush=True)
    stripped = [path.name for path in arguments.stripped]
    options = {"steps": arguments.steps, "batch": arguments.batch, "stripped": stripped}
    print(write_result("losses", {**options, "variants": figures}))


def _row(values: Mapping[int, Values], whole: Mapping[int, Values]) -> dict[str, Any]:
    """Return each exit's MRR@10 and its difference to the run with all terms, with a 95 % interval."""
    row = {}
    for depth, found in values.items():
        difference = compare(found["MRR@10"], whole[depth]["MRR@10"])
        row[str(depth)] = {
            "MRR@10": round(estimate(list(found["MRR@10"].values())).value, 4),
            "to all terms": [round(value, 4) for value in (difference.value, difference.low, difference.high)],
        }
    return row


def _told(row: Mapping[str, Any]) -> str:
    return "  ".join(
        f"{depth}: {found['MRR@10']:.3f} ({found['to all terms'][0]:+.3f})" for depth, found in row.items()
    )


if __name__ == "__main__":
    main()
