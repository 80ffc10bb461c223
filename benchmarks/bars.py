"""The bars of the architecture, measured: indexing, re-indexing, queries warm and cold, recall.

`make bench` runs it on Python's standard library. The index with vectors takes a quarter of an hour to
an hour; `--index` names a folder that keeps it between runs.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import write_result
from cli.main import run
from fathom import Engine, Index
from indexer.encoder.units import embed_text
from indexer.index import load_encoder
from indexer.settings import Settings

QUERIES = 200
_SEED = 7
_COLD_RUNS = 7
_ENCODE_STEP = "encode"


def copy_library(target: Path) -> int:
    """Copy the standard library's Python files; return their bytes."""
    library, total = Path(sysconfig.get_path("stdlib")), 0
    for path in sorted(library.rglob("*.py")):
        relative = path.relative_to(library)
        if "site-packages" in relative.parts or "__pycache__" in relative.parts:
            continue
        copy = target / relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        total += path.stat().st_size
    return total


def measure_words(source: Path, size: int, scratch: Path) -> dict[str, Any]:
    """Index without vectors, then again unchanged, then with one file changed."""
    index = scratch / "words"
    command = ["index", "--quiet", "--no-vectors", "--index", str(index), str(source)]
    first = _timed(lambda: _fathom(command))
    unchanged = _timed(lambda: _fathom(command))
    changed = source / "json" / "decoder.py"
    changed.write_text(changed.read_text() + "\n\ndef one_more_function():\n    return 1\n")
    one = _timed(lambda: _process(command))
    return {
        "MB": size / 1e6,
        "seconds": first,
        "MB/s": size / 1e6 / first,
        "unchanged_s": unchanged,
        "one_file_changed_process_s": one,
    }


def queries(index: Index) -> list[str]:
    """Return distinct queries drawn from the index: questions, symbols, phrases and filtered ones."""
    chosen = random.Random(_SEED)
    with index.view() as view:
        keys = chosen.sample(view.catalogue.keys.tolist(), 4 * QUERIES)
        heads = list(view.store.units(keys).values())
    documented = [head for head in heads if len(head.docstring.split()) >= 5]
    named = [head for head in heads if head.symbol]
    asked = [" ".join(head.docstring.split()[:12]) for head in documented]
    asked = [text.replace('"', "").replace("/", " ") for text in asked][: QUERIES // 2]
    symbols = [head.symbol for head in named][: QUERIES // 4]
    phrases = [f'"{head.symbol.rpartition(".")[2]}"' for head in named[QUERIES // 4 :]][: QUERIES // 10]
    filtered = [f"kind:function {' '.join(text.split()[:4])}" for text in asked[::-1]]
    return list(dict.fromkeys([*asked, *symbols, *phrases, *filtered]))[:QUERIES]


def measure_queries(index: Index, asked: Sequence[str]) -> dict[str, Any]:
    """Ask every query once in a warm process; encoding the query is stated beside the rest."""
    engine = Engine(index)
    for text in asked[:5]:
        engine.search(f"warm up {text}")
    rest: list[float] = []
    encode: list[float] = []
    steps: dict[str, list[float]] = {}
    for text in asked:
        answer = engine.search(text)
        encode.append(answer.timings_ms.get(_ENCODE_STEP, 0.0))
        rest.append(answer.took_ms - encode[-1])
        for name, value in answer.timings_ms.items():
            steps.setdefault(name, []).append(value)
    return {
        "queries": len(asked),
        "without_encoding_ms": _percentiles(rest),
        "encoding_ms": _percentiles(encode),
        "steps_p50_ms": {name: statistics.median(values) for name, values in steps.items()},
    }


def measure_recall(index: Index, asked: Sequence[str]) -> dict[str, Any]:
    """Compare the vector search's ten best with exact search's."""
    encoder = load_encoder(Settings())
    with index.view() as view:
        keys = view.catalogue.keys
        vectors = view.vectors.vectors(keys)
        hits, took = 0, []
        for text in asked:
            vector = embed_text(encoder, text, encoder.depths[-1])
            started = time.perf_counter()
            found, _ = view.vectors.search(vector, 10)
            took.append(1e3 * (time.perf_counter() - started))
            truth = keys[np.argsort(-(vectors @ vector), kind="stable")[:10]]
            hits += len(np.intersect1d(truth, found))
        count = len(view.vectors)
    return {"vectors": count, "recall@10": hits / (10 * len(asked)), "search_ms": _percentiles(took)}


def measure_cold(index: Path) -> dict[str, Any]:
    """Time whole `fathom search` processes."""
    command = ["search", "--index", str(index), "--quiet", "--json", "where are retries delayed"]
    return {"process_s": _percentiles([_timed(lambda: _process(command)) for _ in range(_COLD_RUNS)])}


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _fathom(arguments: list[str]) -> None:
    code = run(arguments)
    if code:
        sys.exit(code)


def _process(arguments: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "cli.main", *arguments], check=True, capture_output=True)


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    ordered = np.array(values)
    return {"p50": float(np.percentile(ordered, 50)), "p95": float(np.percentile(ordered, 95))}


def main() -> None:
    """Measure everything, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, default=Path(".fathom/bench"), help="keeps the index with vectors")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "library"
        size = copy_library(source)
        figures["without vectors"] = measure_words(source, size, Path(scratch))
        small = Path(scratch) / "small"
        _fathom(["index", "--quiet", "--index", str(small), str(source / "json")])
        figures["cold, small index"] = measure_cold(small)
        started = time.perf_counter()
        _fathom(["index", "--index", str(arguments.index), "--name", "library", sysconfig.get_path("stdlib")])
        figures["with vectors, this run"] = {"seconds": time.perf_counter() - started}
    index = Index.open(arguments.index)
    asked = queries(index)
    figures["warm queries"] = measure_queries(index, asked)
    figures["vectors"] = measure_recall(index, asked)
    figures["cold, this index"] = measure_cold(arguments.index)
    for name, values in figures.items():
        print(f"{name}: {_words(values)}")
    print(f"written to {write_result('bars', figures)}")


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_word(value)}" for name, value in values.items())


def _word(value: Any) -> str:
    return f"({_words(value)})" if isinstance(value, dict) else f"{value:.4g}"


if __name__ == "__main__":
    main()
