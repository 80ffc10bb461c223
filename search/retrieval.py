"""From a read query to its ranked candidates: what both indexes find, looked at by every signal.

No text of a unit is shown here, and no page is cut: that is the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from indexer.encoder.interface import Vectors
from indexer.errors import UsageError
from indexer.index import View
from indexer.lexical.interface import Ranked
from indexer.lexical.tokens import terms, words
from indexer.store.interface import Head, Keys
from search.classes import QueryClass, classify, has_shape
from search.conditions import qualifying
from search.query import Query
from search.ranking.candidates import Candidates, Scores
from search.ranking.model import contributions
from search.ranking.weights import Weights
from search.understanding import Understanding

# Candidates each index gives: the pool does not depend on the page, so pages fit together.
POOL = 200
# Words that carry no meaning in a question; they count only if there is nothing else.
STOP_WORDS = frozenset(
    """a an and are as at be been being but by can do does for from had has have how i if in into is it its of on or
    our should so that the their then there these this to was we were what when where which who why will with would
    you your""".split()  # noqa: SIM905 - a list of one word a line helps nobody
)
# Longer than this a pasted text's rarest terms are asked, not all: the time of a search is bounded.
_MAX_TERMS = 64
# So few words may be a name with spaces in it: "parse header" for parse_header.
_JOINED_WORDS = 4


class Mode(StrEnum):
    """Which indexes are asked."""

    HYBRID = "hybrid"
    LEXICAL = "lexical"
    VECTOR = "vector"


def read_mode(mode: Mode | str) -> Mode:
    """Return a mode by its name; raise UsageError, with the list, for an unknown one."""
    try:
        return Mode(mode)
    except ValueError as error:
        raise UsageError(f"unknown mode {mode!r}; choose {', '.join(Mode)}") from error


@dataclass(frozen=True)
class Asked:
    """A query with what follows from it and from the generation it is asked of.

    `terms` are those that BM25 is asked for, each with its weight; `vector` (dim,) is None where none is wanted;
    `allowed` are the keys, ascending, that the conditions leave, None for all; `corrected` are the words that were
    taken for others, as (said, meant).
    """

    query: Query
    query_class: QueryClass
    terms: Mapping[str, float]
    vector: Vectors | None
    allowed: Keys | None
    mode: Mode
    corrected: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Pool:
    """Ranked candidates, best first: keys, heads, the parts of each score, and the full score."""

    keys: Keys
    heads: tuple[Head, ...]
    parts: Mapping[str, Scores]
    scores: Scores


def ask(view: View, query: Query, vector: Vectors | None, mode: Mode, understanding: Understanding) -> Asked:
    """Return a query as it is asked of one generation."""
    meant = understanding.meant(query_terms(query))
    written = {term: word for word in words(query.free_text) for term in terms(word)}
    corrected = tuple((written.get(said, said), other) for said, other in meant.corrected)
    return Asked(query, classify(query), meant.terms, vector, qualifying(view, query), mode, corrected)


def query_terms(query: Query) -> dict[str, float]:
    """Return the terms that BM25 is asked for, each with how often the query says it."""
    counts: dict[str, float] = {}
    said = words(query.free_text)
    meaning = [word for word in said if word.lower() not in STOP_WORDS] or said
    for word in meaning:
        for term in terms(word):
            counts[term] = min(3.0, counts.get(term, 0.0) + 1.0)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))[:_MAX_TERMS])


def candidates(view: View, asked: Asked) -> tuple[Keys, Candidates]:
    """Return what either index finds, keys ascending, and what the signals look at."""
    lexical = view.lexical.search({} if asked.mode is Mode.VECTOR else asked.terms, POOL, asked.allowed)
    keys = np.union1d(lexical.keys, _nearest(view, asked).keys)
    if not len(keys) and asked.allowed is not None and not asked.query.words:
        keys = asked.allowed[:POOL]
    heads = view.store.heads(keys.tolist())
    files = view.catalogue.file[np.searchsorted(view.catalogue.keys, keys)]
    return keys, Candidates(
        heads=tuple(heads[key] for key in keys.tolist()),
        bm25=_aligned(keys, lexical),
        cosine=_cosines(view, keys, asked.vector),
        file_cosine=_file_cosines(view, files, asked.vector),
        whole_file=view.file_sizes[files] == 1,
        rarity=rarity(view, asked.terms),
        names=_names(asked.query, asked.query_class),
        texts=lambda rows: _texts(view, keys, rows),
    )


def order(keys: Keys, found: Candidates, asked: Asked, weights: Mapping[QueryClass, Weights]) -> Pool:
    """Return the candidates in the order of their weighted signals; ties are broken by unit id."""
    chosen = weights[asked.query_class]
    parts = contributions(found, {name: weight for name, weight in chosen.items() if _wanted(name, asked.mode)})
    scores = np.sum(list(parts.values()), axis=0) if parts else np.zeros(len(keys))
    best_first = sorted(range(len(keys)), key=lambda row: (-scores[row], found.heads[row].id))
    ordered = {name: values[best_first] for name, values in parts.items()}
    return Pool(keys[best_first], tuple(found.heads[row] for row in best_first), ordered, scores[best_first])


def rarity(view: View, wanted: Mapping[str, float]) -> dict[str, float]:
    """Return how much each term says: its inverse document frequency."""
    total = len(view.lexical)
    return {term: float(np.log(1 + total / (1 + view.lexical.frequency(term)))) for term in wanted}


def _names(query: Query, query_class: QueryClass) -> frozenset[str]:
    """Return the names that a query says, lower-cased: in a question only words that look like code, and all joined."""
    said = [word.text.lower().replace("::", ".").rstrip("()?!,;") for word in query.words]
    names = {name for word, name in zip(query.words, said, strict=True) if _is_name(word.text, query_class)}
    names |= {name.replace("_", "") for name in names}
    if 1 < len(said) <= _JOINED_WORDS:
        names |= {"_".join(said), "".join(said)}
    return frozenset(names)


def _is_name(word: str, query_class: QueryClass) -> bool:
    return query_class is QueryClass.SYMBOL or has_shape(word.strip("?!,;."))


def _nearest(view: View, asked: Asked) -> Ranked:
    if asked.vector is None or not len(view.vectors):
        return Ranked(np.empty(0, np.int64), np.empty(0, np.float32))
    return Ranked(*view.vectors.search(asked.vector, POOL, asked.allowed))


def _aligned(keys: Keys, ranked: Ranked) -> Scores:
    scores = np.zeros(len(keys))
    scores[np.searchsorted(keys, ranked.keys)] = ranked.scores
    return scores


def _cosines(view: View, keys: Keys, vector: Vectors | None) -> Scores:
    if vector is None or not len(view.vectors):
        return np.zeros(len(keys))
    return np.asarray(view.vectors.vectors(keys) @ vector, dtype=np.float64)


def _file_cosines(view: View, files: NDArray[np.int32], vector: Vectors | None) -> Scores:
    if vector is None or not len(view.vectors):
        return np.zeros(len(files))
    distinct, places = np.unique(files, return_inverse=True)
    return np.asarray(view.file_vectors[distinct] @ vector, dtype=np.float64)[places]


def _texts(view: View, keys: Keys, rows: NDArray[np.int64]) -> dict[int, str]:
    wanted = {int(keys[row]): int(row) for row in rows}
    return {wanted[key]: text for key, text in view.store.texts(keys[rows])}


def _wanted(signal: str, mode: Mode) -> bool:
    """Tell whether a signal counts in a mode: asking one index alone leaves the other's signals out."""
    if mode is Mode.VECTOR:
        return signal == "vector"
    return mode is Mode.HYBRID or not signal.startswith("vector")
