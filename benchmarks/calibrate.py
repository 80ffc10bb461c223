"""Fit how likely a first hit is relevant, and say how well that tells questions with an answer from those without.

`python -m benchmarks.calibrate` writes `search/confidence.json`, `benchmarks/results/calibrate-….json` and its plot.
A package is asked its own questions and names, and those of other packages, which it cannot answer. Fitted on the
packages of tuning; measured on those kept out, where the questions without an answer are another package's of the same
language (for C, which has one package, of C++).
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata

from benchmarks import reliability as reliability_plot
from benchmarks.examples import OWN_SET, worth_asking
from benchmarks.machine import machine, write_result
from indexer.encoder.interface import Encoder
from indexer.index import Index, load_encoder
from indexer.settings import Settings
from indexer.store.interface import Head
from search.classes import QueryClass
from search.confidence import CONFIDENCE_FILE, gather
from search.engine import Engine
from search.evaluation.indexes import repository_indexes
from search.evaluation.sets import Question, RepositorySet, read_set
from search.evaluation.sources import Source, default_layout
from search.ranking.weights import fitted
from search.retrieval import Mode, candidates, order

# What each class of query looks at.
CHOSEN: Mapping[QueryClass, tuple[str, ...]] = {
    QueryClass.LANGUAGE: ("cosine", "head_cosine", "file_cosine", "covered", "bm25", "terms"),
    QueryClass.SYMBOL: ("cosine", "covered", "known", "bm25", "named", "terms"),
}
_SAME = {"c": "c++"}
_PENALTY = 0.003
_FOREIGN_QUESTIONS = 64
_NAMES = 40
_FOREIGN_NAMES = 60
# So many right first hits may be taken for no answer.
_DOUBTED = 0.05
_BINS = 5
_SEED = 5

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """One query asked of one package: whether the package can answer it, and whether the first hit does."""

    repository: str
    held_out: bool
    query_class: QueryClass
    evidence: Mapping[str, float]
    answerable: bool
    right: bool


def read_cases(settings: Settings, encoder: Encoder) -> Iterator[Case]:
    """Yield every query of every package."""
    questions = read_set(OWN_SET)
    assert isinstance(questions, RepositorySet)
    chosen = random.Random(_SEED)
    seen: dict[str, list[str]] = {}
    for source, index in repository_indexes(questions, default_layout(OWN_SET, settings), settings, encoder):
        asked = _Asked(source, Engine(index, encoder, settings), index)
        names = _names(index)
        for question in questions.questions.values():
            if question.repository == source.repository:
                yield from asked.case(question.text, _answers(question))
        for name in chosen.sample(names, min(_NAMES, len(names))):
            yield from asked.case(name, _named(name))
        for question in _foreign(questions, source, chosen):
            yield from asked.case(question.text, None)
        others = [name for there, found in seen.items() if there != source.repository for name in found]
        strange = sorted(set(others) - set(names))
        for name in chosen.sample(strange, min(_FOREIGN_NAMES, len(strange))):
            yield from asked.case(name, None)
        seen[source.repository] = names


@dataclass(frozen=True)
class _Asked:
    source: Source
    engine: Engine
    index: Index

    def case(self, text: str, right: Callable[[Head], bool] | None) -> Iterator[Case]:
        """Yield what a query finds, if anything; `right` is None where nothing can be."""
        with self.index.view() as view:
            asked = self.engine.asked(view, text, Mode.HYBRID)
            keys, found = candidates(view, asked)
            if not len(keys):
                return
            pool = order(keys, found, asked, fitted(shallow=view.manifest.shallow))
            row = int(np.searchsorted(keys, pool.keys[0]))
            evidence = gather(found, row, view.lexical.frequencies)
        hit = right is not None and right(pool.heads[0])
        yield Case(
            self.source.repository, self.source.held_out, asked.query_class, evidence, right is not None, bool(hit)
        )


def _answers(question: Question) -> Callable[[Head], bool]:
    paths = {answer.path for answer in question.answers}
    return lambda head: head.path in paths


def _named(name: str) -> Callable[[Head], bool]:
    return lambda head: head.symbol.rpartition(".")[2] == name


def _foreign(questions: RepositorySet, source: Source, chosen: random.Random) -> list[Question]:
    """Return questions that a package cannot answer; of the same language only for one kept out."""
    known = {each.repository: each for each in questions.sources.values()}
    others = [
        each
        for each in questions.questions.values()
        if each.repository != source.repository and not known[each.repository].held_out
    ]
    language = _SAME.get(source.language, source.language)
    same = [each for each in others if known[each.repository].language == language]
    return same if source.held_out else [*same, *chosen.sample(others, _FOREIGN_QUESTIONS)]


def _names(index: Index) -> list[str]:
    with index.view() as view:
        heads = view.store.heads(view.catalogue.keys.tolist()).values()
        return sorted({head.symbol.rpartition(".")[2] for head in heads if worth_asking(head)})


def fit(cases: Sequence[Case], names: Sequence[str]) -> dict[str, Any]:
    """Return bias and weights; queries with an answer and those without count the same, however many there are."""
    evidence, right = _matrix(cases, names), np.array([case.right for case in cases], dtype=np.float64)
    mean, deviation = evidence.mean(0), evidence.std(0) + 1e-9
    scaled = np.column_stack([np.ones(len(cases)), (evidence - mean) / deviation])
    share = _shares(cases)

    def loss(weights: Matrix) -> tuple[float, Matrix]:
        logits = scaled @ weights
        penalised = np.concatenate([[0.0], weights[1:]])
        value = float(share @ (np.logaddexp(0, logits) - right * logits)) + _PENALTY * float(penalised @ penalised)
        pull = share * (1 / (1 + np.exp(-logits)) - right)
        return value, scaled.T @ pull + 2 * _PENALTY * penalised

    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True, method="L-BFGS-B").x
    weights = found[1:] / deviation
    return {
        "bias": round(float(found[0] - weights @ mean), 4),
        "weights": {name: round(float(weight), 4) for name, weight in zip(names, weights, strict=True)},
    }


def _shares(cases: Sequence[Case]) -> Matrix:
    answerable = np.array([case.answerable for case in cases])
    return np.asarray(np.where(answerable, 0.5 / answerable.sum(), 0.5 / (~answerable).sum()))


def _matrix(cases: Sequence[Case], names: Sequence[str]) -> Matrix:
    return np.array([[case.evidence[name] for name in names] for case in cases])


def chances(cases: Sequence[Case], model: Mapping[str, Any]) -> Matrix:
    """Return the probability of each case's first hit (n,)."""
    names = list(model["weights"])
    logits: Matrix = _matrix(cases, names) @ np.array(list(model["weights"].values())) + model["bias"]
    return np.asarray(1 / (1 + np.exp(-logits)))


def auc(scores: Matrix, yes: NDArray[np.bool_]) -> float:
    """Return the chance that one that is has a higher score than one that is not."""
    ranks, count = rankdata(scores), int(yes.sum())
    return float((ranks[yes].sum() - count * (count + 1) / 2) / (count * (len(yes) - count)))


def reliability(cases: Sequence[Case], scores: Matrix) -> list[dict[str, float]]:
    """Return, for parts of equal width, how many cases there are, the mean probability and the share that is right."""
    part = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    right = np.array([case.right for case in cases], dtype=np.float64)
    shares = _shares(cases)
    return [
        {"cases": int(inside.sum()), "said": _mean(scores, shares * inside), "right": _mean(right, shares * inside)}
        for inside in (part == n for n in range(_BINS))
    ]


def _mean(values: NDArray[Any], shares: NDArray[Any]) -> float:
    return round(float(np.average(values, weights=shares)), 3) if shares.any() else 0.0


def _measured(cases: Sequence[Case], scores: Matrix, nothing: float) -> dict[str, Any]:
    right = np.array([case.right for case in cases])
    answerable = np.array([case.answerable for case in cases])
    return {
        "cases": len(cases),
        "answerable": int(answerable.sum()),
        "auc answerable": round(auc(scores, answerable), 3),
        "auc first hit right": round(auc(scores, right), 3),
        "right hits doubted": _mean(scores < nothing, right),
        "unanswerable doubted": _mean(scores < nothing, ~answerable),
        "reliability": reliability(cases, scores),
    }


def _without(cases: Sequence[Case], names: Sequence[str]) -> Matrix:
    """Return the probability of each case under a model fitted without its package."""
    scores = np.zeros(len(cases))
    for repository in {case.repository for case in cases}:
        inside = np.array([case.repository == repository for case in cases])
        model = fit([case for case in cases if case.repository != repository], names)
        scores[inside] = chances([case for case in cases if case.repository == repository], model)
    return scores


def main() -> None:
    """Fit, measure, write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    encoder = load_encoder(Settings())
    models: dict[str, dict[str, Any]] = {}
    figures: dict[str, Any] = {}
    doubts = []
    for depth in (encoder.depths[0], encoder.depths[-1]):
        # No depth named is the deepest: the indexes that `make tune` makes.
        settings = Settings(depth=None if depth == encoder.depths[-1] else depth)
        cases = list(read_cases(settings, encoder))
        for query_class, names in CHOSEN.items():
            mine = [case for case in cases if case.query_class is query_class]
            tuned, kept = [case for case in mine if not case.held_out], [case for case in mine if case.held_out]
            model = models.setdefault(str(depth), {})[query_class.value] = fit(tuned, names)
            scores = _without(tuned, names)
            doubts.append(float(np.quantile(scores[[case.right for case in tuned]], _DOUBTED)))
            figures[f"depth {depth}, {query_class.value}"] = (tuned, scores, kept, chances(kept, model))
    nothing = round(min(doubts), 3)
    written = {
        name: {"left out in turn": _measured(tuned, left, nothing), "kept out": _measured(kept, scores, nothing)}
        for name, (tuned, left, kept, scores) in figures.items()
    }
    content = {
        "provenance": {
            "made by": "python -m benchmarks.calibrate",
            "date": machine()["date"][:10],
            "reading": "as if half of the queries had an answer",
        },
        "fingerprint": encoder.fingerprint,
        "nothing": nothing,
        "models": models,
    }
    CONFIDENCE_FILE.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(written, indent=1))
    print("written:", write_result("calibrate", written))
    reliability_plot.plot(written)


if __name__ == "__main__":
    main()
