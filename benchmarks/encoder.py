"""How fast the shipped encoder is beside its float32 original, and how near to it, in one run on one machine.

Needs the extra `export` and the folder of the original model. Nothing here is imported by the product.
"""

from __future__ import annotations

import argparse
import ast
import json
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.machine import machine
from indexer.encoder.interface import Ids, Vectors
from indexer.encoder.onnx import OnnxEncoder
from indexer.training.export import export

# Lengths of texts, in tokens, up to which a text counts as a query.
_QUERY_TOKENS = 24


def functions(limit: int) -> tuple[list[str], list[str]]:
    """Return functions of Python's standard library, spread over its files, and first lines of docstrings.

    The order is fixed; the first lines stand for queries.
    """
    found: list[tuple[str, str]] = []
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        lines = source.split("\n")
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
        found += [
            ("\n".join(lines[node.lineno - 1 : node.end_lineno]), ast.get_docstring(node) or "") for node in nodes
        ]
    chosen = found[:: max(1, len(found) // limit)][:limit]
    return [code for code, _ in chosen], [text.split("\n")[0] for _, text in chosen if text]


def seconds(encoder: OnnxEncoder, token_ids: Sequence[Ids]) -> tuple[float, float]:
    """Return wall and processor seconds for encoding all."""
    wall, processor = time.perf_counter(), time.process_time()
    encoder.encode(token_ids, encoder.depths[-1])
    return time.perf_counter() - wall, time.process_time() - processor


def speeds(encoders: dict[str, OnnxEncoder], token_ids: Sequence[Ids], rounds: int) -> dict[str, dict[str, float]]:
    """Return the best of some rounds in tokens/s; the encoders take turns, so that both see the same load."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in encoders}
    for _ in range(rounds):
        for name, encoder in encoders.items():
            times[name].append(seconds(encoder, token_ids))
    tokens = sum(map(len, token_ids))
    return {
        name: {
            "tokens_per_second": round(tokens / min(wall for wall, _ in rows)),
            "tokens_per_processor_second": round(tokens / min(processor for _, processor in rows)),
        }
        for name, rows in times.items()
    }


def parity(encoders: dict[str, OnnxEncoder], token_ids: Sequence[Ids]) -> dict[str, float]:
    """Return cosines of int8 to float vectors."""
    left, right = (encoder.encode(token_ids, encoder.depths[-1]) for encoder in encoders.values())
    cosines: Vectors = (left * right).sum(axis=1)
    mean, low = float(cosines.mean()), float(np.percentile(cosines, 1))
    return {"texts": len(cosines), "mean": round(mean, 5), "percentile_1": round(low, 5)}


def measure(source: Path, texts: int, threads: int, rounds: int) -> dict[str, Any]:
    """Return all figures: the float32 model is exported on the fly."""
    with tempfile.TemporaryDirectory() as folder:
        export(source, Path(folder), "float32", quantised=False)
        encoders = {
            "float32": OnnxEncoder.load(Path(folder), threads),
            "int8": OnnxEncoder.load(threads=threads),
        }
    codes, questions = functions(texts)
    shipped = encoders["int8"]
    code_ids = [tokens.ids[: shipped.window] for tokens in shipped.tokenise(codes)]
    query_ids = [tokens.ids[:_QUERY_TOKENS] for tokens in shipped.tokenise(questions)]
    speed = speeds(encoders, code_ids, rounds)
    return {
        "machine": machine(),
        "onnxruntime": onnxruntime.__version__,
        "threads": threads,
        "tokens": sum(map(len, code_ids)),
        "speed": speed,
        "ratio": round(speed["int8"]["tokens_per_second"] / speed["float32"]["tokens_per_second"], 2),
        "parity": {"code": parity(encoders, code_ids), "queries": parity(encoders, query_ids)},
        "query_ms": {name: query_ms(encoder, query_ids) for name, encoder in encoders.items()},
    }


def query_ms(encoder: OnnxEncoder, token_ids: Sequence[Ids]) -> float:
    """Return the median milliseconds of encoding one query alone."""
    return round(float(np.median([seconds(encoder, [ids])[0] for ids in token_ids])) * 1000, 2)


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder of the float32 original (model.safetensors …)")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    figures = json.dumps(measure(arguments.source, arguments.texts, arguments.threads, arguments.rounds), indent=2)
    print(figures)
    if arguments.json:
        arguments.json.write_text(figures + "\n")


if __name__ == "__main__":
    main()
