"""How good and how fast each exit is beside the base model, BM25 and a static baseline: vectors alone, in one run.

`python -m benchmarks.exits --base FOLDER SET…` (a folder of the original model, and sets in BEIR layout; docstrings are
taken out with `--strip-docstrings`). Every exit encodes the code, the deepest one the queries. Tokens/s are measured
on the same texts, one model after the other, tokenising included, as a ratio to the base model's float32.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine, write_result
from indexer.encoder.aggregate import aggregate
from indexer.encoder.interface import Vectors
from indexer.encoder.onnx import OnnxEncoder
from indexer.encoder.units import embed_blocks
from indexer.lexical.tokens import index_terms
from indexer.style.docstrings import without_docstrings
from indexer.training.export import export_base
from search.evaluation.measures import DEPTH, compare, estimate, evaluate
from search.evaluation.sets import TextSet, read_set

# Texts and rounds of the measurement of speed.
_SPEED_TEXTS = 400
_ROUNDS = 3


def code_vectors(encoder: OnnxEncoder, texts: Sequence[str], depth: int) -> Vectors:
    """Return the vectors (n, dim) of texts as the index makes them of records: blocks, then one vector a text."""
    return np.stack([aggregate(part, encoder.block_scorer) for part in embed_blocks(encoder, texts, depth)])


def systems(
    encoders: Mapping[str, OnnxEncoder], texts: Sequence[str], queries: Sequence[str], depths: Collection[int]
) -> dict[str, Callable[[], np.ndarray[Any, Any]]]:
    """Return, by name, what computes the scores (queries, texts) of each system, the base model at all its exits."""
    found: dict[str, Callable[[], np.ndarray[Any, Any]]] = {"BM25": lambda: _bm25(texts, queries)}

    def cosines(encoder: OnnxEncoder, depth: int) -> np.ndarray[Any, Any]:
        return code_vectors(encoder, queries, encoder.depths[-1]) @ code_vectors(encoder, texts, depth).T

    for name, encoder in encoders.items():
        for depth in reversed([each for each in encoder.depths if name == "base" or each in depths]):
            found[f"{name} {depth}"] = lambda encoder=encoder, depth=depth: cosines(encoder, depth)  # type: ignore[misc]
    return found


def _bm25(texts: Sequence[str], queries: Sequence[str]) -> np.ndarray[Any, Any]:
    import bm25s

    index = bm25s.BM25(k1=1.2, b=0.75)
    index.index([index_terms(text).split() for text in texts], show_progress=False)
    return np.stack([index.get_scores(index_terms(query).split()) for query in queries])


def quality(
    encoders: Mapping[str, OnnxEncoder], text_set: TextSet, depths: Collection[int], *, stripped: bool
) -> dict[str, Any]:
    """Return every system's MRR@10 and NDCG@10 with intervals, and its difference to the base model."""
    ids = list(text_set.texts)
    texts = [_text(text.text, text.language, stripped=stripped) for text in text_set.texts.values()]
    result: dict[str, Any] = {}
    values = {}
    for name, scores in systems(encoders, texts, list(text_set.queries.values()), depths).items():
        order = np.argsort(-scores(), axis=1, kind="stable")[:, :DEPTH]
        run = {query: [ids[at] for at in row] for query, row in zip(text_set.queries, order, strict=True)}
        values[name] = evaluate(text_set.relevance, run)
        result[name] = {
            measure: _rounded(estimate(list(values[name][measure].values()))) for measure in ("MRR@10", "NDCG@10")
        }
    for reference in [name for name in values if name.startswith("base ")]:
        for name in result:
            difference = compare(values[name]["MRR@10"], values[reference]["MRR@10"], level=0.9)
            result[name]["MRR@10 above the base"] = _rounded(difference)
    return result


def _text(text: str, language: str | None, *, stripped: bool) -> str:
    return (without_docstrings(text, language) or text) if stripped else text


def _rounded(found: Any) -> list[float]:
    return [round(found.value, 4), round(found.low, 4), round(found.high, 4)]


def speed(encoders: Mapping[str, OnnxEncoder], texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the best of some rounds in tokens/s, tokenising included; the systems take turns.

    Exit 0, which is done before it has begun, gets more texts, in each round others: words once seen are known.
    """
    best: dict[str, float] = {}
    for place in range(_ROUNDS):
        for name, encoder in encoders.items():
            for depth in encoder.depths:
                asked = texts[:_SPEED_TEXTS] if depth else texts[place::_ROUNDS]
                began = time.perf_counter()
                tokens = encoder.tokenise(asked)
                encoder.encode([seen.ids[: encoder.window] for seen in tokens], depth)
                rate = sum(min(len(seen.ids), encoder.window) for seen in tokens) / (time.perf_counter() - began)
                best[f"{name} {depth}"] = max(rate, best.get(f"{name} {depth}", 0.0))
    reference = next(rate for name, rate in best.items() if name.startswith("base float32"))
    return {
        name: {"tokens_per_second": round(rate), "ratio": round(rate / reference, 2)} for name, rate in best.items()
    }


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", type=Path)
    parser.add_argument("--base", type=Path, help="folder of the float32 original of the base model")
    parser.add_argument("--model", type=Path, help="a model folder; the shipped one by default")
    parser.add_argument("--float", type=Path, help="the same model in float32, to see what 8 bits lose")
    parser.add_argument("--depths", type=int, nargs="+", help="of our exits these alone; all by default")
    parser.add_argument("--beside", type=Path, help="an earlier result: what is not measured now is taken from it")
    parser.add_argument("--strip-docstrings", action="store_true")
    parser.add_argument("--speed", type=Path, metavar="SET", help="measure tokens/s as well, on this set's texts")
    arguments = parser.parse_args()
    if not arguments.base and (arguments.speed or not arguments.beside):
        parser.error("--base is needed, but for --beside without --speed")
    if not arguments.sets and not (arguments.beside and arguments.speed):
        parser.error("name a set, or --beside and --speed: then tokens/s alone are measured")
    earlier = json.loads(arguments.beside.read_text()) if arguments.beside else {"sets": {}}
    if earlier.get("stripped", arguments.strip_docstrings) != arguments.strip_docstrings:
        parser.error("--beside was measured with docstrings and this is not, or the other way round")
    with tempfile.TemporaryDirectory() as scratch:
        base, float32 = Path(scratch) / "base", Path(scratch) / "float32"
        encoders = {}
        if arguments.base:
            export_base(arguments.base, base, "base")
            export_base(arguments.base, float32, "float32", quantised=False)
            encoders["base"] = OnnxEncoder.load(base)
        encoders["ours"] = OnnxEncoder.load(arguments.model)
        if arguments.float:
            encoders["float"] = OnnxEncoder.load(arguments.float)
        figures: dict[str, Any] = {"stripped": arguments.strip_docstrings, "sets": {}}
        kept: list[str] = []
        if "speed" in earlier and not arguments.speed:
            figures["speed"] = earlier["speed"]
            kept.append("speed")
        if not arguments.sets:
            figures["sets"] = earlier["sets"]
            kept += next(iter(earlier["sets"].values()))
        for path in arguments.sets:
            text_set = read_set(path)
            assert isinstance(text_set, TextSet)
            depths = arguments.depths or encoders["ours"].depths
            found = quality(encoders, text_set, depths, stripped=arguments.strip_docstrings)
            before = earlier["sets"].get(text_set.name, {})
            figures["sets"][text_set.name] = {name: found.get(name, before.get(name)) for name in (*before, *found)}
            kept += [name for name in before if name not in found and name not in kept]
            _show(text_set.name, figures["sets"][text_set.name])
        if arguments.speed:
            timed = read_set(arguments.speed)
            assert isinstance(timed, TextSet)
            texts = [text.text for text in timed.texts.values()]
            figures["speed"] = speed({"base float32": OnnxEncoder.load(float32), **encoders}, texts)
            for name, row in figures["speed"].items():
                print(f"{name:12} {row['tokens_per_second']:>10,} tokens/s {row['ratio']:>8} ×")
    if kept:
        figures["rest"] = _origins(earlier, kept)
    if len(figures["sets"]) > 1:
        _show("mean", _means(figures["sets"]))
    print(write_result("exits", figures), machine()["instructions"])


def _origins(earlier: Mapping[str, Any], kept: Collection[str]) -> list[dict[str, Any]]:
    """Return when and at which commit each of the systems that were kept was measured."""
    own = {name: earlier["machine"][name] for name in ("date", "commit")}
    parts = [
        {**part, "systems": [name for name in part["systems"] if name in kept]} for part in earlier.get("rest", ())
    ]
    known = [name for part in parts for name in part["systems"]]
    parts.append({**own, "systems": [name for name in kept if name not in known]})
    return [part for part in parts if part["systems"]]


def _means(sets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    names = next(iter(sets.values()))
    return {
        name: {
            measure: [round(float(np.mean([found[name][measure][0] for found in sets.values()])), 4)]
            for measure in names[name]
        }
        for name in names
    }


def _show(title: str, found: Mapping[str, Any]) -> None:
    print(title)
    for name, row in found.items():
        print(f"  {name:10}", "  ".join(f"{measure} {values[0]:+.4f}" for measure, values in row.items()), flush=True)


if __name__ == "__main__":
    main()
