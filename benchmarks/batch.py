"""How much faster a batch is than its queries one at a time, and whether its memory grows with their number.

`python -m benchmarks.batch --index DIR` asks the first sentences of the index's own documentation, and mixtures of two
of them where there are too few: all distinct, all in one run. One at a time is a warm engine in one process, as
a server has it, without HTTP.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import machine, write_result
from indexer.index import Index
from indexer.settings import Settings
from search.engine import Engine
from search.parallel import batch

_SEED = 5
_WORDS = re.compile(r"[^\W\d_]+")
# Characters of a first sentence that reads as a question.
_LEAST, _MOST = 15, 120
# Units whose documentation is read.
_UNITS = 60_000


def questions(index: Index, count: int) -> list[str]:
    """Return so many distinct queries made of what the index says of itself."""
    chosen = random.Random(_SEED)
    with index.view() as view:
        keys = view.catalogue.keys.tolist()
        units = view.store.units(chosen.sample(keys, min(_UNITS, len(keys)))).values()
    # Letters alone: no mark of the query language.
    said = [" ".join(_WORDS.findall(unit.docstring.strip().partition("\n")[0])) for unit in units]
    found = list(dict.fromkeys(line for line in said if _LEAST <= len(line) <= _MOST))
    chosen.shuffle(found)
    whole = [line.split() for line in found]
    mixed = dict.fromkeys(found[:count])
    while len(mixed) < count:
        left, right = chosen.choice(whole), chosen.choice(whole)
        mixed[" ".join([*left[: 1 + len(left) // 2], *right[len(right) // 2 :]])] = None
    return list(mixed)


def one_at_a_time(index: Index, settings: Settings, texts: list[str]) -> dict[str, float]:
    """Return seconds and milliseconds a query of a warm engine."""
    engine = Engine(index, settings=settings)
    engine.search(texts[0])
    took = []
    for text in texts:
        started = time.perf_counter()
        engine.search(text)
        took.append(time.perf_counter() - started)
    return {"queries": len(texts), "ms_a_query": 1e3 * statistics.fmean(took), "ms_p50": 1e3 * statistics.median(took)}


def all_at_once(settings: Settings, texts: list[str]) -> dict[str, Any]:
    """Return milliseconds a query of a batch, starting its processes included, and memory while it ran."""
    own = psutil.Process()
    started, memory = time.perf_counter(), []
    lines = (json.dumps({"query": text}) for text in texts)
    answers: Iterator[dict[str, Any]] = batch(settings, lines)
    count = 0
    for _ in range(10):
        part = list(islice(answers, max(1, len(texts) // 10)))
        count += sum("hits" in answer for answer in part)
        memory.append(round(sum(each.memory_info().rss for each in (own, *own.children(recursive=True))) / 1e6))
    count += sum("hits" in answer for answer in answers)
    took = time.perf_counter() - started
    return {"queries": len(texts), "answered": count, "ms_a_query": 1e3 * took / len(texts), "megabytes": memory}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True, help="an index that is complete")
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--single", type=int, default=1_000, help="of them, asked one at a time")
    parser.add_argument("--processes", type=int, help="of the batch; one a core by default")
    parser.add_argument("--dry", action="store_true", help="write no result")
    arguments = parser.parse_args()
    given = {} if arguments.processes is None else {"processes": arguments.processes}
    settings = Settings(index=arguments.index, **given)
    index = Index.open(settings.index)
    texts = questions(index, arguments.queries)
    single = one_at_a_time(index, settings, texts[: arguments.single])
    whole = all_at_once(settings, texts)
    ratio = single["ms_a_query"] / whole["ms_a_query"]
    result = {"one at a time": single, "batch": whole, "ratio": ratio, "processes": settings.processes}
    print(json.dumps({**machine(), **result}, indent=2))
    if not arguments.dry:
        print(f"written to {write_result('batch', result)}")


if __name__ == "__main__":
    main()
