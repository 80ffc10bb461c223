"""Exemplars without a language model: the index's own best units for a query, asked for beside it in a second search.

Pseudo-relevance feedback: terms after RM3 (Abdul-Jaleel et al., TREC 2004), vectors after Rocchio. Nothing is searched
or ranked here. No search uses it: it moves MRR@10 of the ranked system by -.002 to +.000 on `mbpp-recorded`,
`cosqa-dev`, `java-csharp-dev` and the question set, every interval with 0 in it (`fathom eval --rewriter neighbours`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from indexer.encoder.interface import Vectors
from indexer.errors import UsageError
from indexer.index import View
from indexer.lexical.tokens import terms
from indexer.store.interface import Keys
from search.retrieval import Asked, rarity

# Characters of a unit that are cut into terms.
_MOST_CHARS = 8_000


@dataclass(frozen=True, slots=True)
class Feedback:
    """How many of the best units and of their terms are used, and what they weigh beside the query, from 0 to 1.

    Measured on `mbpp-recorded` and `cosqa-dev` with 1, 3 and 10 units and weights of .1, .3 and .5: what more than .1
    adds is lost in every system, and 3 units harm least. Raises UsageError for no unit, no term or another weight.
    """

    units: int = 3
    terms: int = 20
    words: float = 0.1
    vector: float = 0.1

    def __post_init__(self) -> None:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.units < 1 or self.terms < 1 or not (0 <= self.words < 1 and 0 <= self.vector < 1):
            raise UsageError(f"feedback of {values}: at least 1 unit and term, and weights from 0 to below 1")


def with_neighbours(view: View, asked: Asked, best: Keys, feedback: Feedback) -> Asked:
    """Return a query with its best units, best first: what it says, and so its names and its class, stay its own."""
    keys = best[: feedback.units]
    texts = [unit.text for unit in view.store.units(keys.tolist()).values()]
    wanted = feedback_terms(asked.terms, texts, lambda term: rarity(view, (term,))[term], feedback)
    vector = asked.vector
    if vector is not None and len(keys):
        vector = feedback_vector(vector, view.vectors.vectors(keys), feedback)
    return replace(asked, terms=wanted, vector=vector)


def feedback_terms(
    asked: Mapping[str, float], units: Sequence[str], rarity_of: Callable[[str], float], feedback: Feedback
) -> dict[str, float]:
    """Return the query's terms with those that its best units say most, each as rare as `rarity_of` tells.

    The terms of the units weigh `feedback.words` of all; a unit counts less the lower it stands.
    """
    found: dict[str, float] = {}
    for place, unit in enumerate(units[: feedback.units], 1):
        counts = Counter(terms(unit[:_MOST_CHARS]))
        weights = {term: (1 + math.log(count)) * rarity_of(term) for term, count in counts.items()}
        whole = sum(weights.values()) * place
        for term, weight in weights.items():
            found[term] = found.get(term, 0.0) + (weight / whole if whole else 0.0)
    best = sorted(found.items(), key=lambda item: (-item[1], item[0]))[: feedback.terms]
    said, whole = sum(asked.values()), sum(weight for _, weight in best)
    if not said or not whole:
        return dict(asked)
    share = feedback.words / (1 - feedback.words) * said / whole
    combined = dict(asked)
    for term, weight in best:
        combined[term] = combined.get(term, 0.0) + share * weight
    return combined


def feedback_vector(query: Vectors, units: Vectors, feedback: Feedback) -> Vectors:
    """Return a query's vector (dim,) moved towards the mean of those (n, dim) of its best units, at norm 1."""
    known = units[: feedback.units]
    known = known[np.any(known, axis=1)]
    if not len(known):
        return query
    moved: Vectors = (1 - feedback.vector) * query + feedback.vector * np.mean(known, axis=0)
    norm = float(np.linalg.norm(moved))
    return (moved / norm).astype(np.float32) if norm else query
