"""What long units gain from their blocks: the beginning, mean, attention, and the best block at query time, by length.

`python -m benchmarks.aggregation SET…`: vectors alone at the deepest exit; a query counts under the length, in tokens,
of its answer, the longest of several. Sets in BEIR layout (docstrings taken out) are one group, and what blocks gain is
counted from texts cut off at the window; repository sets, by unit, are the other, and count from the first block.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import write_result
from indexer.encoder.aggregate import aggregate
from indexer.encoder.interface import Vectors
from indexer.encoder.onnx import OnnxEncoder
from indexer.encoder.units import embed_blocks, embed_text
from indexer.settings import Settings
from indexer.style.docstrings import without_docstrings
from search.evaluation.evaluate import unit_relevance
from search.evaluation.indexes import repository_indexes
from search.evaluation.measures import DEPTH, Relevance, compare, estimate, evaluate
from search.evaluation.sets import RepositorySet, TextSet, read_set
from search.evaluation.sources import default_layout

BUCKETS = ((0, 128), (128, 256), (256, 512), (512, 1 << 30))
_MEASURE = "MRR@10"


@dataclass(frozen=True)
class Asked:
    """Queries and what is looked for: `blocks` (n, dimension) and tokens of each unit, vectors of each query.

    `first` (units, dimension) is what stands for a unit of which nothing but the beginning is known.
    """

    name: str
    units: Sequence[str]
    blocks: Sequence[Vectors]
    lengths: Mapping[str, int]
    first: Vectors
    queries: Mapping[str, Vectors]
    relevance: Relevance


def texts_asked(encoder: OnnxEncoder, texts: TextSet) -> Asked:
    """Encode a set in BEIR layout."""
    depth = encoder.depths[-1]
    plain = [without_docstrings(text.text, text.language) or text.text for text in texts.texts.values()]
    tokens, asked = encoder.tokenise(plain), encoder.tokenise(list(texts.queries.values()))
    first, vectors = (encoder.encode([seen.ids[: encoder.window] for seen in each], depth) for each in (tokens, asked))
    return Asked(
        texts.name,
        list(texts.texts),
        embed_blocks(encoder, plain, depth),
        dict(zip(texts.texts, (len(seen.ids) for seen in tokens), strict=True)),
        first,
        dict(zip(texts.queries, vectors, strict=True)),
        texts.relevance,
    )


def repositories_asked(encoder: OnnxEncoder, questions: RepositorySet) -> Iterator[Asked]:
    """Yield each source of a set with the blocks of its index, as search sees them."""
    settings = Settings(depth=encoder.depths[-1])
    layout = default_layout(questions.folder, settings)
    for source, index in repository_indexes(questions, layout, settings, encoder):
        here = {key: each for key, each in questions.questions.items() if each.repository == source.repository}
        with index.view() as view:
            keys = view.catalogue.keys.tolist()
            stored = {key: blocks for key, blocks in view.store.blocks(keys).items() if blocks}
            heads = view.store.heads(list(stored))
        yield Asked(
            source.repository,
            [heads[key].id for key in stored],
            [np.stack([vector for _, vector in blocks]) for blocks in stored.values()],
            {heads[key].id: blocks[-1][0].last for key, blocks in stored.items()},
            np.stack([blocks[0][1] for blocks in stored.values()]),
            {key: embed_text(encoder, each.text, encoder.depths[-1]) for key, each in here.items()},
            unit_relevance(index, here),
        )


def scores(asked: Asked, beginning: str, scorer: Vectors | None) -> dict[str, Vectors]:
    """Return the scores (queries, units) of each way to make one vector of blocks; the beginning's go by that name."""
    queries = np.stack(list(asked.queries.values()))
    ways: dict[str, Vectors] = {
        beginning: asked.first,
        "mean": np.stack([aggregate(part) for part in asked.blocks]),
        "max": np.stack([_norm(part.max(axis=0)) for part in asked.blocks]),
        "attention": np.stack([aggregate(part, scorer) for part in asked.blocks]),
    }
    found = {name: queries @ vectors.T for name, vectors in ways.items()}
    found["best block"] = np.stack([(part @ queries.T).max(axis=0) for part in asked.blocks], axis=1)
    return found


def _norm(vector: Vectors) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def measure(sets: Iterable[Asked], beginning: str, scorer: Vectors | None) -> dict[str, Any]:
    """Return each way's MRR@10 by the length of the answer, and its difference to the beginning, over all sets."""
    values: dict[tuple[int, int], dict[str, dict[str, float]]] = {bucket: {} for bucket in BUCKETS}
    for asked in sets:
        for way, matrix in scores(asked, beginning, scorer).items():
            order = np.argsort(-matrix, axis=1, kind="stable")[:, :DEPTH]
            run = {query: [asked.units[at] for at in row] for query, row in zip(asked.queries, order, strict=True)}
            for query, value in evaluate(asked.relevance, run)[_MEASURE].items():
                length = max(asked.lengths[answer] for answer in asked.relevance[query])
                bucket = next(each for each in BUCKETS if each[0] < max(1, length) <= each[1])
                values[bucket].setdefault(way, {})[f"{asked.name} {query}"] = value
    return {f"{low}-{high}": _rows(found, beginning) for (low, high), found in values.items() if found}


def _rows(found: Mapping[str, Mapping[str, float]], beginning: str) -> dict[str, Any]:
    rows: dict[str, Any] = {"queries": len(found[beginning])}
    for way, values in found.items():
        mean, gain = estimate(list(values.values())), compare(values, found[beginning])
        rows[way] = {
            _MEASURE: [round(mean.value, 4), round(mean.low, 4), round(mean.high, 4)],
            "above the beginning": [round(gain.value, 4), round(gain.low, 4), round(gain.high, 4)],
        }
    return rows


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, help="a model folder; the shipped one by default")
    arguments = parser.parse_args()
    encoder, found = OnnxEncoder.load(arguments.model), list(map(read_set, arguments.sets))
    texts = [each for each in found if isinstance(each, TextSet)]
    repositories = [each for each in found if isinstance(each, RepositorySet)]
    groups = [
        ([each.name for each in texts], "truncated", (texts_asked(encoder, each) for each in texts)),
        (
            [each.name for each in repositories],
            "first block",
            (asked for each in repositories for asked in repositories_asked(encoder, each)),
        ),
    ]
    result = []
    for names, beginning, sets in groups:
        if names:
            result.append({"sets": names, "lengths": measure(sets, beginning, encoder.block_scorer)})
            _print(result[-1])
    print(write_result("aggregation", {"groups": result}))


def _print(group: Mapping[str, Any]) -> None:
    print(", ".join(group["sets"]))
    for bucket, rows in group["lengths"].items():
        print(f"{bucket} tokens, {rows['queries']} queries")
        for way, row in rows.items():
            if way != "queries":
                print(f"  {way:11} {row[_MEASURE][0]:.4f}  {row['above the beginning']}")


if __name__ == "__main__":
    main()
