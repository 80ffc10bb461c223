"""The read path: a query to ranked, explained hits, as named steps. Writes nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from indexer.encoder.aggregate import aggregate
from indexer.encoder.interface import Encoder
from indexer.encoder.units import embed_text
from indexer.errors import IndexIncompatible, UsageError
from indexer.index import Index, View, load_encoder
from indexer.lexical.interface import Ranked
from indexer.lexical.tokens import terms, words
from indexer.settings import Settings
from indexer.store.interface import Keys
from indexer.types import Unit
from search.classes import QueryClass, classify, has_shape
from search.conditions import qualifying
from search.highlight import matching_lines
from search.query import Query, parse
from search.ranking.candidates import Candidates
from search.ranking.model import FUSION_WEIGHTS, RANKING_WEIGHTS, contributions
from search.types import Answer, Hit

# Candidates each index gives: the pool does not depend on the page, so pages fit together.
POOL = 200
# Words that carry no meaning in a question; they count only if there is nothing else.
_STOP_WORDS = frozenset(
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


@dataclass(frozen=True)
class _Pool:
    """Ranked candidates: keys best first, the parts of each score, and the full score."""

    keys: Keys
    parts: Mapping[str, Any]
    scores: Any


class _Clock:
    """Milliseconds spent in each step."""

    def __init__(self) -> None:
        self.started = self._last = time.perf_counter()
        self.steps: dict[str, float] = {}

    def step(self, name: str) -> None:
        now = time.perf_counter()
        self.steps[name] = self.steps.get(name, 0.0) + 1e3 * (now - self._last)
        self._last = now

    def total(self) -> float:
        return 1e3 * (time.perf_counter() - self.started)


class Engine:
    """Answers queries on one index; safe to share between threads."""

    def __init__(self, index: Index, encoder: Encoder | None = None, settings: Settings | None = None) -> None:
        self._index = index
        self._encoder = encoder
        self._settings = settings

    def search(
        self,
        text: str,
        k: int = 10,
        *,
        offset: int = 0,
        mode: Mode | str = Mode.HYBRID,
        rank: bool = True,
        exhaustive: bool = False,
    ) -> Answer:
        """Return hits `offset` to `offset` + `k` for a query; with `exhaustive`, all there are.

        Raises QueryError for a query that cannot be read and UsageError for a wrong k, offset or mode.
        """
        _check_page(k, offset)
        mode = _mode(mode)
        clock = _Clock()
        query = parse(text)
        clock.step("parse")
        with self._index.view() as view:
            allowed = qualifying(view, query)
            clock.step("conditions")
            wanted, vector = _query_terms(query), self._query_vector(view, query, mode)
            clock.step("encode")
            query_class = classify(query)
            pool = self._pool(view, query, wanted, vector, allowed, mode, RANKING_WEIGHTS if rank else FUSION_WEIGHTS)
            clock.step("retrieve and rank")
            keys, total = self._listing(view, pool, wanted, allowed, mode, exhaustive or offset + k > len(pool.keys))
            page = keys[offset:] if exhaustive else keys[offset : offset + k]
            hits = self._hits(view, query, wanted, vector, pool, page.tolist(), offset)
            clock.step("read and highlight")
            return self._answer(view, text, query_class, total, hits, clock, mode)

    def similar(self, path: str, line: int, k: int = 10, *, repository: str | None = None) -> Answer:
        """Return the units most like the one at a line of an indexed path, itself left out."""
        _check_page(k, 0)
        clock = _Clock()
        with self._index.view() as view:
            keys = view.store.unit_at(path, line, repository)
            if not keys:
                raise UsageError(f"no unit of the index holds line {line} of {path}")
            own = keys[0]
            blocks = view.store.blocks([own]).get(own)
            if blocks:
                vector = aggregate(np.stack([vector for _, vector in blocks]))
            else:
                vector = embed_text(self._load(view), view.store.units([own])[own].text, view.manifest.depth)
            clock.step("encode")
            found, cosines = view.vectors.search(vector, k + 1)
            kept = [(key, float(score)) for key, score in zip(found.tolist(), cosines, strict=True) if key != own][:k]
            pool = _Pool(
                np.array([key for key, _ in kept], dtype=np.int64),
                {"vector": np.array([score for _, score in kept])},
                np.array([score for _, score in kept]),
            )
            empty = Query(text=f"{path}:{line}")
            hits = self._hits(view, empty, {}, vector, pool, pool.keys.tolist(), 0)
            return self._answer(view, empty.text, QueryClass.CODE, len(hits), hits, clock, Mode.VECTOR)

    def batch(self, texts: Sequence[str], k: int = 10, **options: Any) -> list[Answer]:
        """Return the answers to several queries, in their order."""
        return [self.search(text, k, **options) for text in texts]

    def _load(self, view: View) -> Encoder:
        if self._encoder is None:
            self._encoder = load_encoder(self._settings or Settings())
        if self._encoder.fingerprint != view.manifest.fingerprint:
            raise IndexIncompatible(
                f"the index {self._index.folder} was made with another model than {self._encoder.name}; "
                "remove the folder and index its sources again"
            )
        return self._encoder

    def _query_vector(self, view: View, query: Query, mode: Mode) -> Any:
        if mode is Mode.LEXICAL or not query.free_text.strip() or not len(view.vectors):
            return None
        return embed_text(self._load(view), query.free_text, view.manifest.depth)

    def _pool(
        self,
        view: View,
        query: Query,
        wanted: Mapping[str, float],
        vector: Any,
        allowed: Keys | None,
        mode: Mode,
        weights: Mapping[QueryClass, Mapping[str, float]],
    ) -> _Pool:
        lexical = view.lexical.search({} if mode is Mode.VECTOR else wanted, POOL, allowed)
        near = _nearest(view, vector, allowed)
        keys = np.union1d(lexical.keys, near.keys)
        if not len(keys) and allowed is not None and not query.words:
            keys = allowed[:POOL]
        heads = view.store.heads(keys.tolist())
        query_class = classify(query)
        candidates = Candidates(
            heads=[heads[key] for key in keys.tolist()],
            bm25=_aligned(keys, lexical),
            cosine=_cosines(view, keys, vector),
            terms=frozenset(wanted),
            names=_names(query, query_class),
        )
        chosen = weights[query_class]
        parts = contributions(candidates, {name: weight for name, weight in chosen.items() if _asked(name, mode)})
        scores = np.sum(list(parts.values()), axis=0) if parts else np.zeros(len(keys))
        order = sorted(range(len(keys)), key=lambda row: (-scores[row], candidates.heads[row].id))
        return _Pool(keys[order], {name: values[order] for name, values in parts.items()}, scores[order])

    def _listing(
        self,
        view: View,
        pool: _Pool,
        wanted: Mapping[str, float],
        allowed: Keys | None,
        mode: Mode,
        whole: bool,
    ) -> tuple[Keys, int]:
        """Return the keys to page through and how many there are: the pool, then whatever else matches."""
        if allowed is not None and (not wanted or len(allowed) <= len(pool.keys)):
            rest = np.setdiff1d(allowed, pool.keys)
        elif whole and mode is not Mode.VECTOR:
            found = view.lexical.search(wanted, max(1, len(view.lexical)), allowed).keys
            rest = found[~np.isin(found, pool.keys)]
        else:
            rest = np.empty(0, np.int64)
        keys = np.concatenate([pool.keys, rest])
        return keys, len(keys)

    def _hits(
        self,
        view: View,
        query: Query,
        wanted: Mapping[str, float],
        vector: Any,
        pool: _Pool,
        keys: Sequence[int],
        offset: int,
    ) -> tuple[Hit, ...]:
        units = view.store.units(keys)
        places = {key: place for place, key in enumerate(pool.keys.tolist())}
        weights = _rarity(view, wanted)
        blocks = view.store.blocks(keys) if vector is not None else {}
        hits = []
        for rank, key in enumerate(keys, offset + 1):
            unit, place = units[key], places.get(key)
            parts = {} if place is None else {name: float(values[place]) for name, values in pool.parts.items()}
            lines = _lines(query, unit, weights) or _best_block(blocks.get(key), vector)
            hits.append(_hit(rank, unit, parts, lines))
        return tuple(hits)

    def _answer(
        self,
        view: View,
        text: str,
        query_class: QueryClass,
        total: int,
        hits: tuple[Hit, ...],
        clock: _Clock,
        mode: Mode,
    ) -> Answer:
        manifest = view.manifest
        complete = manifest.encoded / manifest.documents if manifest.documents else 1.0
        notes = []
        if complete < 1.0 and mode is not Mode.LEXICAL:
            notes.append(f"{complete:.0%} of the units have vectors so far; the others are found by their words only")
        return Answer(
            query=text,
            query_class=query_class.value,
            generation=manifest.generation,
            complete=complete,
            took_ms=clock.total(),
            total=total,
            hits=hits,
            notes=tuple(notes),
            timings_ms=clock.steps,
        )


def _check_page(k: int, offset: int) -> None:
    if k < 1:
        raise UsageError(f"k is {k}; it must be at least 1")
    if offset < 0:
        raise UsageError(f"the offset is {offset}; it must not be negative")


def _mode(mode: Mode | str) -> Mode:
    try:
        return Mode(mode)
    except ValueError as error:
        raise UsageError(f"unknown mode {mode!r}; choose {', '.join(Mode)}") from error


def _query_terms(query: Query) -> dict[str, float]:
    """Return the terms that BM25 is asked for, each with how often the query says it."""
    text = query.free_text
    counts: dict[str, float] = {}
    said = words(text)
    meaning = [word for word in said if word.lower() not in _STOP_WORDS] or said
    for word in meaning:
        for term in terms(word):
            counts[term] = min(3.0, counts.get(term, 0.0) + 1.0)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))[:_MAX_TERMS])


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


def _nearest(view: View, vector: Any, allowed: Keys | None) -> Ranked:
    if vector is None or not len(view.vectors):
        return Ranked(np.empty(0, np.int64), np.empty(0, np.float32))
    return Ranked(*view.vectors.search(vector, POOL, allowed))


def _aligned(keys: Keys, ranked: Ranked) -> Any:
    scores = np.zeros(len(keys))
    scores[np.searchsorted(keys, ranked.keys)] = ranked.scores
    return scores


def _cosines(view: View, keys: Keys, vector: Any) -> Any:
    if vector is None or not len(view.vectors):
        return np.zeros(len(keys))
    return np.asarray(view.vectors.vectors(keys) @ vector, dtype=np.float64)


def _asked(signal: str, mode: Mode) -> bool:
    return not (mode is Mode.LEXICAL and signal == "vector") and not (mode is Mode.VECTOR and signal != "vector")


def _rarity(view: View, wanted: Mapping[str, float]) -> dict[str, float]:
    """Return how much each term says: its inverse document frequency."""
    total = len(view.lexical)
    return {term: float(np.log(1 + total / (1 + view.lexical.frequency(term)))) for term in wanted}


def _lines(query: Query, unit: Unit, weights: Mapping[str, float]) -> tuple[int, ...]:
    patterns = query.required_patterns()
    return matching_lines(unit.text, unit.start_line, frozenset(weights), terms, patterns, weights)


def _best_block(blocks: Any, vector: Any) -> tuple[int, ...]:
    """Return the first line of the block that is nearest to the query."""
    if not blocks or vector is None:
        return ()
    best = max(blocks, key=lambda entry: float(entry[1] @ vector))[0]
    return (best.start_line,)


def _hit(rank: int, unit: Unit, parts: dict[str, float], lines: tuple[int, ...]) -> Hit:
    return Hit(
        rank=rank,
        id=unit.id,
        repository=unit.repository,
        path=unit.path,
        start_line=unit.start_line,
        end_line=unit.end_line,
        language=unit.language,
        kind=unit.kind.value,
        symbol=unit.symbol,
        signature=unit.signature,
        docstring=unit.docstring,
        score=sum(parts.values()),
        parts=parts,
        lines=lines,
        text=unit.text,
    )
