"""Answers of a batch as the text of a file: JSON lines, a TREC run, or BEIR's results. Written as they come."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from search.batch import fault

Answers = Iterable[dict[str, Any]]

# The name of a run, its last column.
_RUN = "fathom"
# Scores are written with as many decimals; between hits they fall by at least ten of the last, which is more than
# trec_eval's 32-bit floats round away.
_DECIMALS = 6
_STEP = 10.0 ** (1 - _DECIMALS)


def json_lines(answers: Answers) -> Iterator[str]:
    """Yield an answer, or an error, a line."""
    for answer in answers:
        yield json.dumps(answer, ensure_ascii=False) + "\n"


def trec_run(answers: Answers) -> Iterator[str]:
    """Yield the hits of answers as lines of a TREC run: query, Q0, unit, rank, score, run; errors have none."""
    for answer in answers:
        for rank, (unit, score) in enumerate(_scored(answer).items(), 1):
            yield f"{answer['id']} Q0 {unit} {rank} {score:.{_DECIMALS}f} {_RUN}\n"


def beir_results(answers: Answers) -> Iterator[str]:
    """Yield one JSON object, {query: {unit: score}}, as BEIR's `EvaluateRetrieval.evaluate` takes it.

    A query without hits, or with an error, is there with none: left out, it would not count as a failure.
    """
    between = "{\n"
    for answer in answers:
        scores = {unit: round(score, _DECIMALS) for unit, score in _scored(answer).items()}
        yield f"{between}{json.dumps(str(answer['id']))}: {json.dumps(scores)}"
        between = ",\n"
    yield "{}\n" if between == "{\n" else "\n}\n"


FORMATS: Mapping[str, Callable[[Answers], Iterator[str]]] = {
    "jsonl": json_lines,
    "trec": trec_run,
    "beir": beir_results,
}


def named(answers: Answers) -> Iterator[dict[str, Any]]:
    """Yield answers each under a name of its own, as runs need it: its id, else its number, counted from 1.

    A name that was there before, or that has white space in it or is empty, makes an error of its answer.
    """
    seen: set[str] = set()
    for number, answer in enumerate(answers, 1):
        name = str(number if answer["id"] is None else answer["id"])
        if name in seen:
            yield fault(name, "duplicate_id", f"the id {name!r} was there before")
        elif name.split() != [name]:
            yield fault(name, "invalid_request", f"the id {name!r} is empty or has white space in it")
        else:
            yield {**answer, "id": name}
        seen.add(name)


def _scored(answer: Mapping[str, Any]) -> dict[str, float]:
    """Return the score of each hit by its id, lowered where it would not follow from the ranks."""
    scores: dict[str, float] = {}
    last = math.inf
    for hit in answer.get("hits", ()):
        last = min(hit["score"], last - _STEP)
        scores[hit["id"]] = last
    return scores
