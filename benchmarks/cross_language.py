"""The two halves of the repository's own cross-language set: one to tune with, one that is only measured on.

Divided by pairs of tasks: a task and its twin have the same words. Nothing is searched or ranked here.
"""

from __future__ import annotations

import json
from pathlib import Path

from search.evaluation.sets import TextSet, read_set

CROSS_LANGUAGE = Path("tests/data/cross-language")


def tuning_half(folder: Path = CROSS_LANGUAGE) -> TextSet:
    """Return every second pair of tasks, the first among them, by the alphabet: their queries and their texts alone."""
    found, tasks = _read(folder)
    chosen = _tuned(tasks)
    queries = {query: text for query, text in found.queries.items() if _pair(tasks[query]) in chosen}
    texts = {key: text for key, text in found.texts.items() if _pair(tasks[key]) in chosen}
    return TextSet(f"{found.name}-tuning", texts, queries, {query: found.relevance[query] for query in queries})


def kept_queries(folder: Path = CROSS_LANGUAGE) -> frozenset[str]:
    """Return the queries of the other pairs: they are asked of all texts, and never tuned with."""
    found, tasks = _read(folder)
    chosen = _tuned(tasks)
    return frozenset(query for query in found.queries if _pair(tasks[query]) not in chosen)


def _read(folder: Path) -> tuple[TextSet, dict[str, tuple[str, str]]]:
    """Return the set, and the task and the twin of each query and text."""
    found = read_set(folder)
    assert isinstance(found, TextSet)
    rows = [
        json.loads(line)
        for name in ("corpus", "queries")
        for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return found, {row["_id"]: (row["metadata"]["task"], row["metadata"]["twin"]) for row in rows}


def _pair(tasks: tuple[str, str]) -> tuple[str, ...]:
    return tuple(sorted(tasks))


def _tuned(tasks: dict[str, tuple[str, str]]) -> set[tuple[str, ...]]:
    return set(sorted(set(map(_pair, tasks.values())))[::2])
