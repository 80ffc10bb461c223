"""What long units gain from their blocks: truncation, mean, attention, and the best block at query time, by length.

`python -m benchmarks.aggregation SET…` (sets in BEIR layout, docstrings taken out): vectors alone at the deepest exit;
a query counts under the length, in tokens, of its answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import write_result
from indexer.encoder.aggregate import aggregate
from indexer.encoder.interface import Vectors
from indexer.encoder.onnx import OnnxEncoder
from indexer.encoder.units import embed_blocks
from indexer.style.docstrings import without_docstrings
from search.evaluation.measures import DEPTH, compare, estimate, evaluate
from search.evaluation.sets import TextSet, read_set

BUCKETS = ((0, 128), (128, 256), (256, 512), (512, 1 << 30))


def scores(encoder: OnnxEncoder, texts: list[str], queries: list[str]) -> tuple[dict[str, Any], list[int]]:
    """Return the scores (queries, texts) of each way to make one vector of blocks, and the texts' tokens."""
    depth = encoder.depths[-1]
    tokens = encoder.tokenise(texts)
    blocks = embed_blocks(encoder, texts, depth)
    first = encoder.encode([seen.ids[: encoder.window] for seen in tokens], depth)
    asked = encoder.encode([seen.ids[: encoder.window] for seen in encoder.tokenise(queries)], depth)
    ways: dict[str, Vectors] = {
        "truncated": first,
        "mean": np.stack([aggregate(part) for part in blocks]),
        "max": np.stack([_norm(part.max(axis=0)) for part in blocks]),
        "attention": np.stack([aggregate(part, encoder.block_scorer) for part in blocks]),
    }
    found = {name: asked @ vectors.T for name, vectors in ways.items()}
    found["best block"] = np.stack([(part @ asked.T).max(axis=0) for part in blocks], axis=1)
    return found, [len(seen.ids) for seen in tokens]


def _norm(vector: Vectors) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def measure(encoder: OnnxEncoder, sets: list[TextSet]) -> dict[str, Any]:
    """Return each way's MRR@10 by the length of the answer, and its difference to truncation, over all sets."""
    values: dict[tuple[int, int], dict[str, dict[str, float]]] = {bucket: {} for bucket in BUCKETS}
    for text_set in sets:
        ids = list(text_set.texts)
        texts = [without_docstrings(text.text, text.language) or text.text for text in text_set.texts.values()]
        found, lengths = scores(encoder, texts, list(text_set.queries.values()))
        length_of = dict(zip(ids, lengths, strict=True))
        for way, matrix in found.items():
            order = np.argsort(-matrix, axis=1, kind="stable")[:, :DEPTH]
            run = {query: [ids[at] for at in row] for query, row in zip(text_set.queries, order, strict=True)}
            reciprocal = evaluate(text_set.relevance, run)["MRR@10"]
            for query, value in reciprocal.items():
                length = max(length_of[answer] for answer in text_set.relevance[query])
                bucket = next(each for each in BUCKETS if each[0] < max(1, length) <= each[1])
                values[bucket].setdefault(way, {})[f"{text_set.name} {query}"] = value
    return {f"{low}-{high}": _rows(found) for (low, high), found in values.items() if found}


def _rows(found: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    rows: dict[str, Any] = {"queries": len(found["truncated"])}
    for way, values in found.items():
        mean, gain = estimate(list(values.values())), compare(values, found["truncated"])
        rows[way] = {
            "MRR@10": [round(mean.value, 4), round(mean.low, 4), round(mean.high, 4)],
            "above truncation": [round(gain.value, 4), round(gain.low, 4), round(gain.high, 4)],
        }
    return rows


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, help="a model folder; the shipped one by default")
    arguments = parser.parse_args()
    sets = [found for found in map(read_set, arguments.sets) if isinstance(found, TextSet)]
    figures = measure(OnnxEncoder.load(arguments.model), sets)
    for bucket, rows in figures.items():
        print(f"{bucket} tokens, {rows['queries']} queries")
        for way, row in rows.items():
            if way != "queries":
                print(f"  {way:10} {row['MRR@10'][0]:.4f}  {row['above truncation']}")
    print(write_result("aggregation", {"sets": [each.name for each in sets], **figures}))


if __name__ == "__main__":
    main()
