"""Do all back ends give the same answers? The same 200 queries on an embedded index and on a copy of it in a cluster.

Run: python -m benchmarks.congruence --index DIR --url http://localhost:9200
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import write_result
from indexer.encoder.units import embed_texts
from indexer.errors import QueryError
from indexer.index import Index, View, load_encoder
from indexer.lexical.interface import Ranked
from indexer.migration import migrate
from indexer.settings import Backend, Settings
from indexer.store.interface import Keys
from search.conditions import qualifying
from search.engine import Engine
from search.query import Query, parse
from search.retrieval import POOL, query_terms

_SEED = 8
_TOP = 10
# Scores this near to each other, as a share, are ties: both engines add up in single precision.
_TIE = 1e-4
# How many queries of each kind.
_KINDS = {"words": 60, "symbol": 30, "phrase": 40, "regex": 20, "field": 30, "code": 20}


def queries(view: View) -> list[tuple[str, str]]:
    """Return 200 queries drawn from an index, each with its kind."""
    chosen = random.Random(_SEED)
    keys = chosen.sample(view.catalogue.keys.tolist(), min(4_000, len(view.catalogue.keys)))
    units = list(view.store.units(keys).values())
    said = [unit for unit in units if len(unit.docstring.split()) >= 6]
    named = [unit for unit in units if unit.symbol]
    drawn: Mapping[str, Iterator[str]] = {
        "words": (_plain(" ".join(unit.docstring.split()[:10])) for unit in said),
        "symbol": (unit.symbol for unit in named),
        "phrase": (f'"{_plain(" ".join(unit.docstring.split()[1:4]))}"' for unit in said[::-1]),
        "regex": (rf"/def\s+{unit.symbol.rpartition('.')[2]}\w*/" for unit in named[::-1]),
        "field": (f"kind:function path:{unit.path.split('/')[0]} {_plain(unit.docstring)[:40]}" for unit in said[7:]),
        "code": ("\n".join(unit.text.split("\n")[1:4]) for unit in units if unit.text.count("\n") > 6),
    }
    found = []
    for kind, wanted in _KINDS.items():
        usable = (text for text in drawn[kind] if _readable(text))
        found += [(kind, text) for _, text in zip(range(wanted), usable, strict=False)]
    return found


def _plain(text: str) -> str:
    return "".join(character if character.isalnum() or character in " _." else " " for character in text)


def _readable(text: str) -> bool:
    with suppress(QueryError):
        return bool(parse(text).text.strip('" '))
    return False


def same_but_ties(wanted: Ranked, found: Ranked) -> bool:
    """Tell whether the first ten of two rankings are the same units, but for units with the same score."""
    scores = dict(zip(wanted.keys.tolist(), wanted.scores.tolist(), strict=True))
    top, other = wanted.scores[:_TOP].tolist(), found.keys[:_TOP].tolist()
    least = scores[wanted.keys[-1]] if len(wanted.keys) else 0.0
    if len(top) != len(other):
        return False
    pairs = zip(top, (scores.get(key, least) for key in other), strict=True)
    return all(abs(one - two) <= _TIE * max(one, two) for one, two in pairs)


def compare_words(one: View, other: View, asked: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Compare BM25 alone."""
    same, differing = 0, []
    for kind, text in asked:
        terms = query_terms(parse(text))
        wanted, found = (view.lexical.search(terms, POOL) for view in (one, other))
        if same_but_ties(wanted, found):
            same += 1
        else:
            overlap = len(np.intersect1d(wanted.keys[:_TOP], found.keys[:_TOP]))
            differing.append(
                {
                    "kind": kind,
                    "query": text[:80],
                    "overlap": overlap,
                    "scores": [round(float(score), 3) for score in (*wanted.scores[:3], *found.scores[:3])],
                }
            )
    return {"same_top_10_up_to_ties": same / len(asked), "differing": differing[:20]}


def compare_vectors(one: View, other: View, asked: Sequence[tuple[str, str]], settings: Settings) -> dict[str, Any]:
    """Compare both vector searches with exact search over all vectors."""
    encoder = load_encoder(settings)
    keys: Keys = one.catalogue.keys
    vectors = one.vectors.vectors(keys)
    made = embed_texts(encoder, [text for _, text in asked], encoder.depths[-1])
    overlaps: dict[str, list[float]] = {"embedded": [], "cluster": []}
    for vector in made:
        exact = keys[np.argsort(-(vectors @ vector), kind="stable")[:_TOP]]
        for name, view in (("embedded", one), ("cluster", other)):
            found, _ = view.vectors.search(vector, _TOP)
            overlaps[name].append(len(np.intersect1d(exact, found)) / len(exact))
    return {f"overlap@10_{name}": statistics.mean(values) for name, values in overlaps.items()}


def compare_listings(one: View, other: View, asked: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Compare everything that matches: the units that a query's conditions leave and its words find."""
    same, longest = 0, 0
    for _, text in asked:
        query = parse(text)
        wanted, found = (_listing(view, query) for view in (one, other))
        same += np.array_equal(wanted, found)
        longest = max(longest, len(wanted))
    return {"identical": same / len(asked), "longest": longest}


def _listing(view: View, query: Query) -> Keys:
    allowed = qualifying(view, query)
    terms = query_terms(query)
    if allowed is not None and not terms:
        return allowed
    return np.sort(view.lexical.search(terms, len(view.lexical), allowed).keys)


def compare_answers(engines: Mapping[str, Engine], asked: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Compare what a user sees first, and how long it takes."""
    took: dict[str, list[float]] = {name: [] for name in engines}
    bare: dict[str, list[float]] = {name: [] for name in engines}
    same = 0
    for _, text in asked:
        tens = []
        for name, engine in engines.items():
            answer = engine.search(text)
            took[name].append(answer.took_ms)
            bare[name].append(answer.took_ms - answer.timings_ms.get("encode", 0.0))
            tens.append([hit.id for hit in answer.hits])
        same += tens[0] == tens[1]
    times = {
        f"{name}_{what}": {"p50": _at(values[name], 50), "p95": _at(values[name], 95)}
        for what, values in (("ms", took), ("without_encoding_ms", bare))
        for name in engines
    }
    return {"ranked_top_10_identical": same / len(asked), **times}


def _at(values: Sequence[float], share: int) -> float:
    return round(float(np.percentile(np.array(values), share)), 2)


def main() -> None:
    """Copy, move, ask, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True, help="an embedded index with vectors")
    parser.add_argument("--url", required=True, help="address of an Elasticsearch")
    clustered = [each.value for each in Backend if each.clustered]
    parser.add_argument("--backend", choices=clustered, default=Backend.ELASTICSEARCH.value)
    arguments = parser.parse_args()
    name = f"congruence-{uuid.uuid4().hex[:8]}"
    embedded = Settings(index=arguments.index)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "index"
        shutil.copytree(arguments.index, copy)
        there = Settings(
            index=copy,
            backend=Backend(arguments.backend),
            elasticsearch_url=(arguments.url,),
            elasticsearch_name=name,
        )
        started = time.perf_counter()
        manifest = migrate(copy, there)
        figures: dict[str, Any] = {
            "backend": arguments.backend,
            "units": manifest.documents,
            "moved_s": round(time.perf_counter() - started, 1),
        }
        try:
            figures |= _compared(embedded, there)
        finally:
            from indexer.cluster.connection import Cluster

            Cluster(there).clear()
    for key, value in figures.items():
        print(f"{key}: {value}")
    print(f"written to {write_result('congruence', figures)}")


def _compared(embedded: Settings, there: Settings) -> dict[str, Any]:
    one, other = (Index.open(settings=each) for each in (embedded, there))
    engines = {"embedded": Engine(one, settings=embedded), "cluster": Engine(other, settings=there)}
    for engine in engines.values():
        for text in ("warm up", "retry a request with a pause"):
            engine.search(text)
    with one.view() as left, other.view() as right:
        asked = queries(left)
        right.read_ahead()  # as a server does when it starts
        return {
            "queries": dict(Counter(kind for kind, _ in asked)),
            "words": compare_words(left, right, asked),
            "meaning": compare_vectors(left, right, asked, embedded),
            "listings": compare_listings(left, right, asked),
            "answers": compare_answers(engines, asked),
        }


if __name__ == "__main__":
    main()
