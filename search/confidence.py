"""How likely the first hit answers the query: a logistic model over what the whole pool looks like.

Signals are normalised within a query, so a score says nothing of whether anything fits; this looks at raw cosines
and at how much of what is said the index knows. `benchmarks/calibrate.py` fits it; nothing is fitted here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from indexer.errors import ModelDamaged
from indexer.lexical.tokens import terms
from search.classes import QueryClass
from search.ranking.candidates import Candidates
from search.ranking.overlap import share_of_query

CONFIDENCE_FILE = Path(__file__).with_name("confidence.json")
# The nearest units that stand for the head of the list.
_HEAD = 10

# What `gather` finds.
EVIDENCE = ("cosine", "head_cosine", "file_cosine", "covered", "known", "bm25", "named", "terms")

Evidence = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Logistic:
    """The chance of the first hit: the logistic function of `bias` and the weighted evidence."""

    bias: float
    weights: Mapping[str, float]

    def probability(self, evidence: Evidence) -> float:
        """Return a number between 0 and 1."""
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, self._logit(evidence)))))

    def _logit(self, evidence: Evidence) -> float:
        return self.bias + sum(weight * evidence[name] for name, weight in self.weights.items())


@dataclass(frozen=True, slots=True)
class Calibration:
    """The fitted models of one encoder, by the depth of an index and the class of a query.

    Below `nothing` a list's first hit is taken for no answer.
    """

    fingerprint: str
    nothing: float
    models: Mapping[tuple[int, QueryClass], Logistic]


def gather(found: Candidates, row: int, frequencies: Callable[[Iterable[str]], Mapping[str, int]]) -> dict[str, float]:
    """Return what speaks for the candidate at `row`, the first hit, and for the pool as a whole.

    `frequencies` tells in how many units each term occurs.
    """
    whole = sum(found.rarity.values())
    counts = frequencies(found.rarity)
    known = sum(rarity for term, rarity in found.rarity.items() if counts[term])
    own = frozenset(terms(found.seeds.get(row, "")))
    name = found.heads[row].symbol.rpartition(".")[2].lower()
    return {
        "cosine": float(found.cosine[row]),
        "head_cosine": float(np.sort(found.cosine)[-_HEAD:].mean()),
        "file_cosine": float(found.file_cosine[row]),
        "covered": share_of_query(own, found.rarity),
        "known": known / whole if whole else 0.0,
        "bm25": float(found.bm25[row]) / whole if whole else 0.0,
        "named": float(name in found.names),
        "terms": math.log1p(len(found.rarity)),
    }


def probability(evidence: Evidence, fingerprint: str, depths: Mapping[int, int], asked: QueryClass) -> float | None:
    """Return how likely the first hit is relevant, on an index whose units have vectors at `depths` {depth: units}.

    None where nothing is fitted: for another model, a depth without a model, and code.
    """
    found = calibrated()
    if found.fingerprint != fingerprint or not depths:
        return None
    model = found.models.get((max(depths, key=lambda depth: depths[depth]), asked))
    return round(model.probability(evidence), 3) if model else None


def doubtful(chance: float | None) -> bool:
    """Tell whether the first hit of a list is taken for no answer, by its probability; not where that is not known."""
    return chance is not None and chance < calibrated().nothing


@cache
def calibrated(path: Path = CONFIDENCE_FILE) -> Calibration:
    """Return the fitted models; raise ModelDamaged naming what is wrong with the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        models = {
            (int(depth), QueryClass(name)): _logistic(model)
            for depth, classes in content["models"].items()
            for name, model in classes.items()
        }
        return Calibration(str(content["fingerprint"]), _number(content["nothing"]), MappingProxyType(models))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelDamaged(f"the calibration {path} cannot be read: {error!r}; install Fathom again") from error


def _logistic(model: Any) -> Logistic:
    unknown = set(model["weights"]) - set(EVIDENCE)
    if unknown:
        raise ValueError(f"unknown evidence {sorted(unknown)}")
    weights = {name: _number(weight) for name, weight in model["weights"].items()}
    return Logistic(_number(model["bias"]), MappingProxyType(weights))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"no finite number but {value!r}")
    return float(value)
