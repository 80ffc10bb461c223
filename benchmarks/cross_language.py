"""The two halves of the repository's own cross-language set: one to tune with, one that is only measured on.

Divided by pairs of tasks: a task and its twin have the same words. `python -m benchmarks.cross_language` measures both
halves; nothing is ranked here.
"""

from __future__ import annotations

import json
from pathlib import Path

from indexer.index import load_encoder
from indexer.settings import Settings
from search.evaluation.evaluate import evaluate_set
from search.evaluation.measures import Estimate, compare, estimate
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


def main() -> None:
    """Print NDCG@10 of every system on both halves, and how far ranked search is from vectors alone."""
    settings = Settings()
    judged = evaluate_set(CROSS_LANGUAGE, settings, load_encoder(settings)).systems
    values = {name: found.values["NDCG@10"] for name, found in judged.items()}
    kept = kept_queries()
    for half, chosen in (("kept", kept), ("tuning", values["ranked"].keys() - kept)):
        mine = {name: {query: found[query] for query in sorted(chosen)} for name, found in values.items()}
        print(f"{half}: {len(chosen)} queries")
        for name, found in mine.items():
            print(f"  {name:16} {_words(estimate(list(found.values())))}")
        print(f"  ranked - vectors {_words(compare(mine['ranked'], mine['vectors']))}")


def _words(found: Estimate) -> str:
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


if __name__ == "__main__":
    main()
