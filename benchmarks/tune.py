"""Fit the ranking weights listwise on development sets, and say what each signal brings.

`python -m benchmarks.tune` writes `search/ranking/weights.json` and `benchmarks/results/tune-….json`. A model of one
query class maximises the likelihood of the right targets among the candidates of each query (softmax over the pool,
as in ListNet), with a penalty on large weights. Two models are fitted: a first look, by what can be told without the
candidates' texts, chooses those whose texts are read; the whole model ranks. Figures on the repository set are for
weights that were fitted without the package they are measured on (the first look has seen it); the packages kept out
of tuning are never read here.

All of it happens twice: for vectors of the deepest exit, and for those of exit 0, beside which words say more.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.examples import Example, Looks, Matrix, read_examples
from benchmarks.machine import machine, write_result
from indexer.settings import Settings
from search.classes import QueryClass
from search.evaluation.measures import Estimate, compare, estimate, evaluate
from search.ranking.model import SIGNALS, TEXT_SIGNALS
from search.ranking.weights import SHALLOW, WEIGHTS_FILE

# How much a set counts in the fit of a class, whatever its number of queries.
SET_WEIGHTS = {
    "questions": 1.0,
    "names": 0.5,
    "cosqa-dev": 3.0,
    "mbpp-recorded": 0.1,
    "java-csharp-dev": 0.3,
    # Code of the same repository is what is pasted most.
    "pasted": 2.0,
    "cross-language-tuning": 1.0,
}
# The penalty on squared weights; weights are some units large.
_PENALTY = 0.0005
# What finding the very lines counts beside finding their file.
_LINES_SHARE = 0.6
# The signals of each class: those whose absence lost something while the others were there. Code takes no BM25 and no
# coverage: both mislead across languages, and runs of terms find pasted lines better.
CHOSEN: Mapping[QueryClass, tuple[str, ...]] = {
    QueryClass.LANGUAGE: (
        "bm25",
        "vector",
        "vector_file",
        "late",
        "documented",
        "size",
        "rest",
        "class_head",
        "noise",
    ),
    QueryClass.SYMBOL: ("bm25_file", "vector", "name", "definition", "covered", "late", "size", "noise"),
    QueryClass.CODE: ("vector", "verbatim", "late_beyond"),
}
# What chooses the candidates whose texts are read, where it is not the above without texts: pasted lines are found by
# their words before a run of them can be seen.
LOOKED_AT_FIRST: Mapping[QueryClass, tuple[str, ...]] = {QueryClass.CODE: ("bm25", "vector", "size", "noise")}
# What is also left out together.
GROUPS = {
    "(no vectors)": ("vector", "vector_file", "late", "late_beyond"),
    "(nothing of the file)": ("bm25_file", "vector_file"),
    "(only bm25, vector)": tuple(name for name in SIGNALS if name not in {"bm25", "vector"}),
}
# Signals that can only speak for a unit: a negative weight would be noise of the sample.
_NEVER_NEGATIVE = frozenset(
    {"bm25", "bm25_file", "vector", "vector_file", "name", "definition", "covered", "late", "verbatim", "late_beyond"}
)
_NEVER_POSITIVE = frozenset({"noise"})

# fitting


def fit(examples: Sequence[Example], signals: Sequence[str]) -> dict[str, float]:
    """Return the weights of one query class, positive ones adding up to 1."""
    return _scaled(signals, _solve(examples, signals))


def _solve(examples: Sequence[Example], signals: Sequence[str], start: Matrix | None = None) -> Matrix:
    """Return the weights as they are found, in the order of the signals; a good start saves most of the steps."""
    bounds = [_bounds(name) for name in signals]
    if start is None:
        start = np.array([0.0 if low is None or low < 0 else 0.5 for low, _ in bounds])
    stacked = _stack(examples, signals)
    found: Matrix = minimize(_loss, start, args=(stacked,), jac=True, method="L-BFGS-B", bounds=bounds).x
    return found


def _scaled(signals: Sequence[str], weights: Matrix) -> dict[str, float]:
    total = max(1e-9, float(np.maximum(weights, 0).sum()))
    return {name: round(float(weight) / total, 4) for name, weight in zip(signals, weights, strict=True)}


def _bounds(name: str) -> tuple[float | None, float | None]:
    if name in _NEVER_NEGATIVE:
        return 0.0, None
    return (None, 0.0) if name in _NEVER_POSITIVE else (None, None)


@dataclass(frozen=True)
class _Stack:
    """The pools of all queries one under another: `starts` (queries,) are their first rows.

    `wanted` are the two readings of what is right (the whole target, the very lines), as 0 and 1 a row, with `parts`
    saying what each counts; `shares` (queries,) say what each query counts.
    """

    signals: Matrix
    starts: NDArray[np.int64]
    owner: NDArray[np.int64]
    wanted: tuple[Matrix, Matrix]
    parts: tuple[float, float]
    shares: Matrix


def _stack(examples: Sequence[Example], signals: Sequence[str]) -> _Stack:
    chosen = [list(SIGNALS).index(name) for name in signals]
    rows = []
    for example in examples:
        right = np.array([target in example.relevant for target in example.targets])
        if right.any():  # else it is not in the pool: no weight can help
            rows.append((example, right, example.right_units if example.right_units.any() else right))
    lengths = np.array([len(right) for _, right, _ in rows])
    names = [example.set for example, _, _ in rows]
    shares = np.array([SET_WEIGHTS[name] / names.count(name) for name in names])
    return _Stack(
        signals=np.concatenate([example.signals[:, chosen] for example, _, _ in rows]),
        starts=np.concatenate([[0], np.cumsum(lengths)[:-1]]),
        owner=np.repeat(np.arange(len(rows)), lengths),
        wanted=(
            np.concatenate([right for _, right, _ in rows]).astype(np.float64),
            np.concatenate([units for _, _, units in rows]).astype(np.float64),
        ),
        parts=(1 - _LINES_SHARE, _LINES_SHARE),
        shares=shares / shares.sum(),
    )


def _loss(weights: Matrix, stack: _Stack) -> tuple[float, Matrix]:
    """Return the penalised negative log-likelihood and its gradient."""
    scores = stack.signals @ weights
    likely = np.exp(scores - np.maximum.reduceat(scores, stack.starts)[stack.owner])
    whole = np.add.reduceat(likely, stack.starts)
    loss = _PENALTY * float(weights @ weights)
    pull = likely / whole[stack.owner]
    for wanted, part in zip(stack.wanted, stack.parts, strict=True):
        held = likely * wanted
        total = np.add.reduceat(held, stack.starts)
        loss -= part * float(stack.shares @ np.log(total / whole))
        pull = pull - part * held / total[stack.owner]
    gradient = stack.signals.T @ (pull * stack.shares[stack.owner]) + 2 * _PENALTY * weights
    return loss, gradient


# measuring


def ndcg(examples: Sequence[Example], weights: Mapping[str, float]) -> dict[str, float]:
    """Return NDCG@10 by whole target for every query, under the weights of its class."""
    vector = np.array([weights.get(name, 0.0) for name in SIGNALS])
    run = {}
    for example in examples:
        order = np.argsort(-(example.signals @ vector), kind="stable")
        run[example.query] = list(dict.fromkeys(example.targets[row] for row in order))[:100]
    return evaluate({each.query: each.relevant for each in examples}, run)["NDCG@10"] if examples else {}


def left_out(examples: Sequence[Example], signals: Sequence[str]) -> dict[str, float]:
    """Return NDCG@10 for every query under weights fitted without the query's group."""
    values: dict[str, float] = {}
    near = _solve(examples, signals)
    for group in sorted({each.group for each in examples}):
        inside = [each for each in examples if each.group == group]
        found = _solve([each for each in examples if each.group != group], signals, near)
        values |= ndcg(inside, _scaled(signals, found))
    return values


def ablation(examples: Sequence[Example], signals: Sequence[str], *, each_signal: bool) -> dict[str, Any]:
    """Return, for each set, the left-out NDCG@10 with all signals and the loss without each, and without groups."""
    whole = left_out(examples, signals)
    result: dict[str, Any] = {"all": _by_set(examples, whole)}
    gone = {name: (name,) for name in signals} | GROUPS if each_signal else {}
    for label, names in gone.items():
        rest = [each for each in signals if each not in names]
        if len(rest) < len(signals):
            result[label] = _by_set(examples, whole, left_out(examples, rest))
    return result


def _by_set(
    examples: Sequence[Example], whole: Mapping[str, float], without: Mapping[str, float] | None = None
) -> dict[str, list[float]]:
    found = {}
    parts: dict[str, list[str]] = {}
    for each in examples:
        parts.setdefault(each.set, []).append(each.query)
        if each.unshared:
            parts.setdefault(f"{each.set}, no shared word", []).append(each.query)
    for name, queries in sorted(parts.items()):
        chosen = {query: whole[query] for query in queries}
        found[name] = _rounded(compare(chosen, without, 0.9) if without else estimate(list(chosen.values())))
    return found


def _rounded(each: Estimate) -> list[float]:
    return [round(value, 4) for value in (each.value, each.low, each.high)]


def write_weights(deep: Fitted, shallow: Fitted) -> None:
    """Write the models with where they come from; weights of 0 are left out, other classes' stay as they are."""
    date = machine()["date"][:10]
    content = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    classes = content["provenance"]["classes"]
    for name, queries in deep.counts.items():
        classes[name] = {"date": date, "queries": dict(queries)}
    content = {
        "provenance": {"made by": "python -m benchmarks.tune", "penalty": _PENALTY, "classes": classes},
        **_joined(content, deep),
        SHALLOW: _joined(content.get(SHALLOW, {}), shallow),
    }
    WEIGHTS_FILE.write_text(json.dumps(content, indent=2) + "\n")


def _joined(there: Mapping[str, Any], found: Fitted) -> dict[str, Any]:
    return {
        "weights": there.get("weights", {}) | _named(found.weights),
        "first_look": there.get("first_look", {}) | _named(found.look),
    }


def _named(weights: Looks) -> dict[str, dict[str, float]]:
    return {each.value: {name: value for name, value in found.items() if value} for each, found in weights.items()}


def first_look(settings: Settings, data: Path, classes: Sequence[QueryClass]) -> dict[QueryClass, dict[str, float]]:
    """Return the weights of these classes fitted without the signals that need texts."""
    plain = SIGNALS.keys() - TEXT_SIGNALS
    examples = read_examples(settings, data, plain, classes=classes)
    return {
        each: fit(
            [example for example in examples if example.query_class is each],
            [name for name in LOOKED_AT_FIRST.get(each, CHOSEN[each]) if name in plain],
        )
        for each in classes
    }


@dataclass(frozen=True)
class Fitted:
    """What was fitted for vectors of one depth: the weights, those of the first look, and what they bring.

    `counts` are the queries that each class was fitted on, by set.
    """

    weights: Looks
    look: Looks
    counts: Mapping[str, Mapping[str, int]]
    figures: Mapping[str, Any]


def tune(
    settings: Settings, data: Path, classes: Sequence[QueryClass], given: Sequence[str] | None, *, each_signal: bool
) -> Fitted:
    """Fit and measure the models of some classes for vectors of the settings' depth; print what they bring."""
    look = first_look(settings, data, classes)
    examples = read_examples(settings, data, SIGNALS, look, classes)
    figures: dict[str, Any] = {}
    weights, counts = {}, {}
    for query_class in classes:
        mine = [each for each in examples if each.query_class is query_class]
        signals = given or CHOSEN[query_class]
        weights[query_class] = fit(mine, signals)
        counts[query_class.value] = dict(sorted(Counter(each.set for each in mine).items()))
        figures[query_class.value] = ablation(mine, signals, each_signal=each_signal)
        print(query_class.value, json.dumps(weights[query_class]))
        for name, values in figures[query_class.value].items():
            print(f"  {name:12}", ", ".join(f"{part} {_words(value)}" for part, value in values.items()))
    figures["weights"], figures["first_look"] = _named(weights), _named(look)
    return Fitted(weights, look, counts, figures)


def main() -> None:
    """Fit, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the text sets")
    parser.add_argument("--signals", help="these for every class, with commas between")
    parser.add_argument("--ablate", action="store_true", help="also measure what is lost without each signal")
    parser.add_argument(
        "--class", dest="classes", action="append", choices=[*map(str, QueryClass)], help="fit only this"
    )
    parser.add_argument("--dry", action="store_true", help="write no weights")
    arguments = parser.parse_args()
    given = arguments.signals.split(",") if arguments.signals else None
    classes = tuple(map(QueryClass, arguments.classes or QueryClass))
    deep = tune(Settings(), arguments.data, classes, given, each_signal=arguments.ablate)
    print(f"{SHALLOW}:")
    shallow = tune(Settings(depth=0), arguments.data, classes, given, each_signal=False)
    if not arguments.dry:
        # Before the weights: named by the commit it ran on.
        print(f"written to {write_result('tune', {**deep.figures, SHALLOW: shallow.figures})}")
        write_weights(deep, shallow)


def _words(value: Iterable[float]) -> str:
    middle, low, high = value
    return f"{middle:+.4f} [{low:+.4f}, {high:+.4f}]"


if __name__ == "__main__":
    main()
