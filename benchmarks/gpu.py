"""A GPU against two cores: recall@10 and queries/s of the vectors, tokens/s of the encoder, in one run.

`python -m benchmarks.gpu` on a machine with an NVIDIA GPU (extra `gpu`); the results are written beside the others.
Without a GPU the processor's figures are measured alone and what is missing is said; `--torch-on-cpu` then tries the
PyTorch encoder there, which says nothing of a GPU's speed.
"""

from __future__ import annotations

import argparse
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.machine import write_result
from indexer.encoder.interface import Encoder, Vectors
from indexer.encoder.onnx import OnnxEncoder
from indexer.encoder.torch import TorchEncoder
from indexer.errors import FathomError
from indexer.vectors import faiss_gpu
from indexer.vectors.exact import ExactSearcher
from indexer.vectors.factory import build_segment
from indexer.vectors.faiss import FaissSearcher
from indexer.vectors.index import SearchedSegment, SegmentedIndex
from indexer.vectors.interface import SegmentSearcher
from indexer.vectors.segments import Part, Segment

_CORES = 2
_DIMENSION = 384
_QUERIES = 200
_CENTRES = 2_000
# How far a vector lies from its centre, beside the centre's length of 1: neighbours' cosines are near those of code.
_SPREAD = 1.0
_TEXTS = 2_000
_CHARACTERS = 800


def vectors(count: int, seed: int) -> Vectors:
    """Return unit vectors (count, 384) about centres that are the same for every seed."""
    chance = np.random.default_rng(seed)
    centres = _unit(np.random.default_rng(0).standard_normal((_CENTRES, _DIMENSION), np.float32))
    noise = _unit(chance.standard_normal((count, _DIMENSION), np.float32))
    return _unit(centres[chance.integers(_CENTRES, size=count)] + np.float32(_SPREAD) * noise)


def _unit(rows: Vectors) -> Vectors:
    scaled: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def searchers(segment: Segment) -> dict[str, Callable[[], SegmentSearcher]]:
    """Return what makes each searcher, by name: on the processor, and twice on the GPU where there is one."""
    found: dict[str, Callable[[], SegmentSearcher]] = {f"processor, {_CORES} cores": lambda: FaissSearcher(segment)}
    if faiss_gpu.gpus():
        found["GPU, flat"] = lambda: faiss_gpu.GpuSearcher(segment)
        found["GPU, clusters"] = lambda: _clustered(segment)
    return found


def _clustered(segment: Segment) -> SegmentSearcher:
    before, faiss_gpu.CLUSTERED_FROM = faiss_gpu.CLUSTERED_FROM, 0
    try:
        return faiss_gpu.GpuSearcher(segment)
    finally:
        faiss_gpu.CLUSTERED_FROM = before


def measure_search(count: int) -> dict[str, Any]:
    """Return recall@10 and queries/s, one query at a time, over `count` vectors."""
    faiss.omp_set_num_threads(_CORES)
    with tempfile.TemporaryDirectory() as scratch:
        keys = np.arange(count)
        segment = build_segment(Path(scratch) / "s", [Part(keys, keys, vectors(count, 1))])
        queries = vectors(_QUERIES, 2)
        exact = _index(segment, ExactSearcher(segment))
        truth = [exact.search(query, 10)[0] for query in queries]
        return {name: _searched(_index(segment, make()), queries, truth) for name, make in searchers(segment).items()}


def _index(segment: Segment, searcher: SegmentSearcher) -> SegmentedIndex:
    return SegmentedIndex([SearchedSegment(segment, searcher)], np.empty(0, np.int64))


def _searched(index: SegmentedIndex, queries: Vectors, truth: Sequence[Any]) -> dict[str, float]:
    index.search(queries[0], 10)
    started = time.perf_counter()
    found = [index.search(query, 10)[0] for query in queries]
    seconds = time.perf_counter() - started
    hits = sum(len(np.intersect1d(ours, theirs)) for ours, theirs in zip(found, truth, strict=True))
    return {"recall@10": hits / (10 * len(queries)), "queries_per_second": round(len(queries) / seconds, 1)}


def measure_encoding(device: str | None) -> dict[str, Any]:
    """Return tokens/s at every depth, and how near the device's vectors are to those in 8 bits."""
    plain = OnnxEncoder.load(threads=_CORES)
    ids = [tokens.ids[: plain.window] for tokens in plain.tokenise(_texts())]
    encoders: dict[str, Encoder] = {f"processor, {_CORES} cores, 8 bits": plain}
    if device:
        encoders[f"PyTorch on {device}"] = TorchEncoder.load(device=device)
    figures: dict[str, Any] = {}
    for depth in plain.depths[1:]:
        made = {name: _timed(encoder, ids, depth) for name, encoder in encoders.items()}
        figures[f"depth {depth}"] = {name: {"tokens_per_second": rate} for name, (rate, _) in made.items()}
        first, *others = (found for _, found in made.values())
        for name, other in zip(list(made)[1:], others, strict=True):
            cosines = np.vecdot(first, other)
            figures[f"depth {depth}"][name] |= {"cosine_least": float(cosines.min()), "cosine": float(cosines.mean())}
    return figures


def _timed(encoder: Encoder, ids: Sequence[Any], depth: int) -> tuple[int, Vectors]:
    encoder.encode(ids[:64], depth)
    started = time.perf_counter()
    found = encoder.encode(ids, depth)
    return round(sum(map(len, ids)) / (time.perf_counter() - started)), found


def _texts() -> list[str]:
    """Return pieces of Python's standard library."""
    library = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    whole = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in library)
    return [whole[first : first + _CHARACTERS] for first in range(0, _TEXTS * _CHARACTERS, _CHARACTERS)]


def _device(*, torch_on_cpu: bool) -> str | None:
    """Return what PyTorch is to run on, if anything, and say why where that is not a GPU."""
    try:
        TorchEncoder.load(device="cuda")
    except FathomError as error:
        print(f"note: {error}", file=sys.stderr)
        return "cpu" if torch_on_cpu else None
    return "cuda"


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=1_000_000, help="how many to search")
    parser.add_argument("--torch-on-cpu", action="store_true", help="without a GPU: try the PyTorch encoder anyway")
    given = parser.parse_args()
    if not faiss_gpu.gpus():
        print("note: FAISS finds no GPU; its figures are missing", file=sys.stderr)
    figures = {
        "gpus": faiss_gpu.gpus(),
        "search": {"vectors": given.vectors, **measure_search(given.vectors)},
        "encoding": measure_encoding(_device(torch_on_cpu=given.torch_on_cpu)),
    }
    for step in ("search", "encoding"):
        for name, values in figures[step].items():  # type: ignore[attr-defined]
            print(f"{step}: {name}: {values}")
    print(f"written to {write_result('gpu', figures)}")


if __name__ == "__main__":
    main()
