"""From a read query to its ranked candidates: what both indexes find, looked at by every signal.

No text of a unit is shown here, and no page is cut: that is the engine's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.combining import CodeWeights
from indexer.encoder.interface import Vectors
from indexer.encoder.words import WordVectors
from indexer.errors import UsageError
from indexer.expansion import expanded
from indexer.index import View
from indexer.lexical.interface import Ranked
from indexer.lexical.tokens import terms, words
from indexer.store.interface import Head, Keys
from indexer.style.identifiers import split_identifier
from search.classes import QueryClass, classify, has_shape
from search.conditions import qualifying
from search.fusion import min_max
from search.query import Query
from search.ranking.candidates import Candidates, Scores, best_first, file_numbers
from search.ranking.model import BM25_SIGNALS, contributions, total
from search.ranking.weights import Weights, first_look
from search.rewriting.outcome import AS_IT_IS, Rewritten
from search.spoken import other_language
from search.understanding import Meant, Understanding

# Candidates each index gives: the pool does not depend on the page, so pages fit together.
POOL = 200
# Words that carry no meaning in a question; they count only if there is nothing else.
STOP_WORDS = frozenset(
    """a an and are as at be been being but by can do does for from had has have how i if in into is it its of on or
    our should so that the their then there these this to was we were what when where which who why will with would
    you your""".split()  # noqa: SIM905 - a list of one word a line helps nobody
)
# Of a longer text the terms it says most, then the longest, are asked: the time of a search is bounded.
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

    `said` are the terms of what the query says, each with its weight; `terms` are those that BM25 is asked for: what
    they may stand for, too. `vector` (dim,) is None where none is wanted;
    `allowed` are the keys, ascending, that the conditions leave, None for all; `corrected` are the words that were
    taken for others, as (said, meant); `language` is that of people, "" for English; `word_vectors` compares words,
    None where no vector is wanted. `rewritten` is the code that was generated for the query: it is in `terms` and
    `vector`, and not in `said`.
    """

    query: Query
    query_class: QueryClass
    said: Mapping[str, float]
    terms: Mapping[str, float]
    vector: Vectors | None
    allowed: Keys | None
    mode: Mode
    corrected: tuple[tuple[str, str], ...] = ()
    language: str = ""
    word_vectors: WordVectors | None = None
    rewritten: Rewritten = AS_IT_IS

    @property
    def text(self) -> str:
        """What the encoder sees: the free text, with the words that were taken for others replaced."""
        text = self.query.free_text
        for said, meant in self.corrected:
            text = re.sub(re.escape(said), meant, text, flags=re.IGNORECASE)
        return text


@dataclass(frozen=True)
class Pool:
    """Ranked candidates, best first: keys, heads, the parts of each score, and the full score."""

    keys: Keys
    heads: tuple[Head, ...]
    parts: Mapping[str, Scores]
    scores: Scores


def ask(view: View, query: Query, mode: Mode, understanding: Understanding) -> Asked:
    """Return a query as it is asked of one generation, without its vector."""
    query_class, said = classify(query), query_terms(query)
    written = _written(query, said)
    if mode is Mode.VECTOR or query_class is QueryClass.CODE:
        meant, language = Meant({}, {}), ""
    else:
        names = query_class is QueryClass.SYMBOL or len(query.words) <= _JOINED_WORDS
        view.lexical.frequencies([*said, *written])  # what is asked for later is known then: a cluster is asked once
        meant = understanding.meant(written, names=names)
        language = other_language(query.free_text, view.lexical.frequencies(written))
    corrected = {term: terms(name)[-1] for term, name in meant.corrected.items()}
    said = {corrected.get(term, term): weight for term, weight in said.items()}
    return Asked(
        query=query,
        query_class=query_class,
        said=said,
        terms={**meant.forms, **said, **dict.fromkeys(corrected, 1.0)},
        vector=None,
        allowed=qualifying(view, query),
        mode=mode,
        corrected=tuple((written[term], name) for term, name in meant.corrected.items()),
        language=language,
    )


def _written(query: Query, wanted: Mapping[str, float]) -> dict[str, str]:
    """Return terms as the query writes them, in lower case: each part of an identifier by itself."""
    parts = (part.lower() for word in words(query.free_text) for part in split_identifier(word))
    found = {term: part for part in parts for term in terms(part)[-1:]}
    return {term: part for term, part in found.items() if term in wanted}


def query_terms(query: Query) -> dict[str, float]:
    """Return the terms that BM25 is asked for, each with how often the query says it."""
    counts: dict[str, float] = {}
    said = words(query.free_text)
    for word in _telling(said) or said:
        for term in terms(word):
            counts[term] = min(3.0, counts.get(term, 0.0) + 1.0)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))[:_MAX_TERMS])


def _telling(said: Iterable[str]) -> list[str]:
    """Return the words that carry a meaning."""
    return [word for word in said if word.lower() not in STOP_WORDS]


def candidates(
    view: View, asked: Asked, weights: Mapping[QueryClass, Weights] | None = None
) -> tuple[Keys, Candidates]:
    """Return what either index finds, keys ascending, and what the signals look at.

    `weights` say whose texts are worth reading; else those that were fitted do.
    """
    first = (weights or first_look(shallow=view.manifest.shallow))[asked.query_class]
    wanted = {} if asked.mode is Mode.VECTOR else asked.terms
    lexical, nearest = view.at_once(
        lambda: view.lexical.search(wanted, POOL, asked.allowed), lambda: _nearest(view, asked)
    )
    keys = _union(lexical.keys, nearest.keys)
    if not len(keys) and asked.allowed is not None and not asked.query.words:
        keys = asked.allowed[:POOL]
    found, vectors = view.at_once(lambda: view.store.heads(keys.tolist()), lambda: _vectors(view, keys, asked.vector))
    heads = tuple(found.values())
    bm25 = _aligned(keys, lexical)
    cosine, file_cosine = _cosines(vectors, heads, asked.vector, bm25)
    rarities = rarity(view, asked.said)
    return keys, Candidates(
        heads=heads,
        bm25=bm25,
        cosine=cosine,
        file_cosine=file_cosine,
        rarity=rarities,
        names=_names(asked),
        texts=lambda rows: _texts(view, keys, rows),
        first_look=lambda found: total(found, contributions(found, first)),
        words=_weighted_words(asked, rarities),
        word_vectors=asked.word_vectors,
        # Prose is never asked for in runs: what nobody looks at is not cut up.
        sequence=terms(asked.query.free_text) if asked.query_class is QueryClass.CODE else (),
    )


def order(keys: Keys, found: Candidates, asked: Asked, weights: Mapping[QueryClass, Weights]) -> Pool:
    """Return the candidates in the order of their weighted signals; ties are broken by unit id."""
    chosen = _weights(found, asked, weights[asked.query_class])
    parts = contributions(found, {name: weight for name, weight in chosen.items() if _wanted(name, asked.mode)})
    scores = total(found, parts)
    rows = best_first(scores, found.heads)
    ordered = {name: values[rows] for name, values in parts.items()}
    return Pool(keys[rows], tuple(found.heads[row] for row in rows), ordered, scores[rows])


def _weights(found: Candidates, asked: Asked, chosen: Weights) -> Weights:
    """Return the weights of a query; where no vector speaks, a class that weighs no BM25 has the first look's, too."""
    if found.cosine.any() or not BM25_SIGNALS.isdisjoint(chosen):
        return chosen
    return {**first_look()[asked.query_class], **chosen}


def rarity(view: View, wanted: Iterable[str]) -> dict[str, float]:
    """Return how much each term says: its inverse document frequency."""
    total = len(view.lexical)
    counts = view.lexical.frequencies(wanted)
    return {term: float(np.log(1 + total / (1 + count))) for term, count in counts.items()}


def _weighted_words(asked: Asked, rarities: Mapping[str, float]) -> dict[str, float]:
    """Return the words that are asked for, identifiers divided, each as rare as its rarest term."""
    if asked.word_vectors is None:
        return {}
    said = _telling(words(asked.text))
    parts = dict.fromkeys(part.lower() for word in said for part in split_identifier(word))
    found = {part: max((rarities.get(term, 0.0) for term in terms(part)), default=0.0) for part in parts}
    return {part: weight for part, weight in found.items() if weight}


def _names(asked: Asked) -> frozenset[str]:
    """Return the names that a query says, lower-cased: in a question only words that look like code, and all joined."""
    corrected = dict(asked.corrected)
    said = [word.text.lower().replace("::", ".").rstrip("()?!,;") for word in asked.query.words]
    said = [corrected.get(name, name) for name in said]
    pairs = zip(asked.query.words, said, strict=True)
    names = {name for word, name in pairs if _is_name(word.text, asked.query_class)} | {*corrected.values()}
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


def _vectors(view: View, keys: Keys, vector: Vectors | None) -> Vectors | None:
    """Return the vectors (n, dim) of units, to be compared with that of a query; None where none are."""
    return None if vector is None or not len(view.vectors) or not len(keys) else view.vectors.vectors(keys)


def _cosines(
    vectors: Vectors | None, heads: Sequence[Head], vector: Vectors | None, bm25: Scores
) -> tuple[Scores, Scores]:
    """Return the cosines of units, and of their files as far as the pool has them: the sum of the files' vectors."""
    if vectors is None or vector is None:
        return np.zeros(len(heads)), np.zeros(len(heads))
    files = file_numbers(heads)
    sums = _sums(vectors, files)
    norms = np.sqrt(np.vecdot(sums, sums))
    by_file = (np.vecdot(sums, vector) / np.where(norms > 0, norms, 1))[files]
    return (
        _imputed(np.vecdot(vectors, vector), np.any(vectors, axis=1), bm25),
        _imputed(by_file, norms[files] > 0, bm25),
    )


def _sums(vectors: Vectors, groups: NDArray[np.int64]) -> Vectors:
    """Return the sum of each group's vectors, groups numbered from 0.

    Most groups are of one: numpy's `add.reduceat`, a step for each, takes twice as long.
    """
    by_group = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    sums: Vectors = vectors[by_group[starts]]
    for group in np.flatnonzero(sizes > 1).tolist():
        rows = by_group[starts[group] : starts[group] + sizes[group]]
        np.add.reduce(vectors[rows], axis=0, out=sums[group])
    return sums


def _imputed(cosines: NDArray[np.floating[Any]], known: NDArray[np.bool_], bm25: Scores) -> Scores:
    """Return cosines where a unit without a vector has the one that its BM25 score suggests.

    Its score's place between the least and the greatest names the quantile of the known cosines: while vectors
    come, what only words can find must not stand below what words and meaning both dislike.
    """
    exact = np.asarray(cosines, dtype=np.float64)
    if known.all() or not known.any():
        return exact
    exact[~known] = np.quantile(exact[known], min_max(bm25)[~known])
    return exact


def _union(left: Keys, right: Keys) -> Keys:
    """Return the keys of either, ascending, each once (numpy's own loads a module that costs a cold start 20 ms)."""
    keys = np.sort(np.concatenate([left, right]))
    return keys[np.flatnonzero(np.diff(keys, prepend=-1))]


def _texts(view: View, keys: Keys, rows: NDArray[np.int64]) -> dict[int, str]:
    """Return the texts of some candidates, by row: with what was written for them, as BM25 has them."""
    wanted = {int(keys[row]): int(row) for row in rows}
    written = view.rewritings(list(wanted))
    weights = CodeWeights(*view.manifest.weights)
    texts = view.store.texts(keys[rows])
    return {wanted[key]: expanded(text, written.get(key), weights) for key, text in texts}


def _wanted(signal: str, mode: Mode) -> bool:
    """Tell whether a signal counts in a mode: asking one index alone leaves the other's signals out."""
    if mode is Mode.VECTOR:
        return signal == "vector"
    return mode is Mode.HYBRID or signal not in {"vector", "vector_file", "late", "late_beyond"}
