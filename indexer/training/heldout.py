"""What was mined and kept back, as sets in BEIR layout: one a language, so that `fathom eval` can ask them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

# Queries and candidates of a set; a language with fewer queries makes no set.
QUERIES = 500
CANDIDATES = 1_000
# What the query language would take for a phrase, a regular expression, a field or a "not".
_OPERATORS = re.compile(r"[\"/\\:]|(?<!\S)-")


def write_sets(pairs: Iterable[Mapping[str, Any]], folder: Path, seed: int = 7) -> list[Path]:
    """Write a set for every language that has enough held-out pairs; return their folders, by name.

    A query's answer is its own code; the other candidates are of the same language. A question asked twice is left out.
    """
    by_language: dict[str, list[Mapping[str, Any]]] = {}
    asked: set[str] = set()
    for pair in pairs:
        if pair["query"] not in asked:
            asked.add(pair["query"])
            by_language.setdefault(pair["language"], []).append(pair)
    written = []
    for language, found in sorted(by_language.items()):
        if len(found) < QUERIES:
            continue
        order = np.random.default_rng(seed).permutation(len(found))[:CANDIDATES]
        written.append(_write(folder / f"heldout-{language}", [found[row] for row in order], language))
    return written


def _write(folder: Path, pairs: list[Mapping[str, Any]], language: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    corpus = [
        {"_id": f"c{row}", "text": pair["code"], "metadata": {"language": language}} for row, pair in enumerate(pairs)
    ]
    queries = [
        {"_id": f"q{row}", "text": _OPERATORS.sub(" ", pair["query"])} for row, pair in enumerate(pairs[:QUERIES])
    ]
    _lines(folder / "corpus.jsonl", corpus)
    _lines(folder / "queries.jsonl", queries)
    judged = "".join(f"q{row}\tc{row}\t1\n" for row in range(len(queries)))
    (folder / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}", encoding="utf-8")
    return folder


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
