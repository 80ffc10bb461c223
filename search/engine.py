"""The read path: a query to ranked, explained hits, as named steps. Writes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from indexer.batching import batched
from indexer.encoder.interface import Encoder
from indexer.encoder.units import embed_text, embed_texts
from indexer.encoder.words import WordVectors
from indexer.errors import QueryError, UsageError
from indexer.generators.factory import WAITED_FOR
from indexer.index import Index, View, load_encoder
from indexer.settings import Settings
from indexer.store.interface import Keys
from indexer.store.manifest import refuse_other_model
from search.classes import QueryClass
from search.collapse import collapse
from search.confidence import doubtful, gather, probability
from search.degrading import with_or_without_words
from search.hits import read_hits
from search.query import Query, parse
from search.ranking.candidates import Candidates
from search.ranking.weights import FUSION, Weights, fitted
from search.retrieval import Asked, Mode, Pool, ask, candidates, order, read_mode
from search.rewriting.combine import query_terms, query_vector
from search.rewriting.neighbours import Feedback, with_neighbours
from search.rewriting.outcome import Rewritten
from search.rewriting.rewriter import MAX_REWRITE_MS, Rewriter
from search.types import Answer, Hit
from search.understanding import Understanding

# Queries of a batch that are encoded together.
BATCH = 128


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A query with its options, as `Engine.search` takes them."""

    text: str
    k: int = 10
    offset: int = 0
    mode: Mode = Mode.HYBRID
    rank: bool = True
    exhaustive: bool = False
    rewrite_ms: int = 0

    def check(self) -> None:
        """Raise UsageError for a wrong k, offset or time."""
        _check_page(self.k, self.offset)
        if not 0 <= self.rewrite_ms <= MAX_REWRITE_MS:
            raise UsageError(f"{self.rewrite_ms} ms to rewrite a query; it must be from 0 to {MAX_REWRITE_MS}")


class Engine:
    """Answers queries on one index; safe to share between threads."""

    def __init__(self, index: Index, encoder: Encoder | None = None, settings: Settings | None = None) -> None:
        self._index = index
        self._encoder = encoder
        self._settings = settings or Settings()
        self._understanding: tuple[View, Understanding] | None = None
        self._word_vectors: WordVectors | None = None
        self._rewriter = Rewriter(self._settings, index)

    def search(
        self,
        text: str,
        k: int = 10,
        *,
        offset: int = 0,
        mode: Mode | str = Mode.HYBRID,
        rank: bool = True,
        exhaustive: bool = False,
        rewrite_ms: int = 0,
    ) -> Answer:
        """Return hits `offset` to `offset` + `k` for a query; with `exhaustive`, all there are.

        Near-duplicates are one hit, the best of them, that names the others as `like` it; but not where all that
        matches is promised (`exhaustive`, and queries with conditions), in the other modes, or without `rank`.
        With `rewrite_ms` the query is asked with code that the settings' generator writes for it, if that comes within
        so many milliseconds; what comes later is there the next time, and no failure of it is one of the search.
        Raises QueryError for a query that cannot be read and UsageError for a wrong k, offset, mode or time, and for
        a time without a generator.
        """
        wanted = Wanted(text, k, offset, read_mode(mode), rank, exhaustive, rewrite_ms)
        clock = _Clock()
        wanted.check()
        query = parse(text)
        clock.step("parse")
        rewritten = self._rewriter.rewrite(query, rewrite_ms)
        if rewrite_ms:
            clock.step("rewrite")
        with self._index.view() as view:
            (answer,) = with_or_without_words(
                view, [wanted.mode], lambda view: [self._answer(view, wanted, query, rewritten, clock)]
            )
            assert isinstance(answer, Answer)
            return answer

    def answers(self, queries: Iterable[Wanted]) -> Iterator[Answer | QueryError | UsageError]:
        """Yield the answer to each query in order, or the error that `search` would raise for it.

        Queries are encoded many at once and read one generation; memory does not grow with their number. Code is
        generated for several at a time, and the time that each may take begins when it is begun.
        """
        for chunk in batched(queries, BATCH):
            parsed = self._parsed(chunk)
            with self._index.view() as view:
                modes = [wanted.mode for wanted in chunk]
                answers = with_or_without_words(view, modes, partial(self._all, chunk=chunk, parsed=parsed))
            yield from answers

    def pool(
        self, text: str, *, mode: Mode, weights: Mapping[QueryClass, Weights] | None, feedback: Feedback | None = None
    ) -> Pool:
        """Return the ranked candidates of a query, none collapsed, without texts: what evaluation looks at.

        `weights` None means those that were fitted for such an index. With `feedback` it is asked twice, the second
        time with the best of the first.
        """
        with self._index.view() as view:
            weights = weights or fitted(shallow=view.manifest.shallow)
            asked = self.asked(view, text, mode)
            pool = order(*candidates(view, asked), asked, weights)
            if feedback is None:
                return pool
            again = with_neighbours(view, asked, pool.keys, feedback)
            return order(*candidates(view, again), again, weights)

    def asked(self, view: View, text: str, mode: Mode) -> Asked:
        """Return a query as it is asked of a pinned generation."""
        asked = ask(view, parse(text), mode, self._understood(view))
        return next(self._encoded(view, [asked]))

    def similar(self, path: str, line: int, k: int = 10, *, repository: str | None = None) -> Answer:
        """Return the units most like the one at a line of an indexed path, itself left out."""
        _check_page(k, 0)
        clock = _Clock()
        with self._index.view() as view:
            keys = view.store.unit_at(path, line, repository)
            if not keys:
                raise UsageError(f"no unit of the index holds line {line} of {path}")
            own = keys[0]
            vector = view.vectors.vectors(np.array([own], dtype=np.int64))[0]
            if not vector.any():
                vector = self._embed(view, view.store.units([own])[own].text)
            clock.step("encode")
            found, cosines = view.vectors.search(vector, k + 1)
            kept = [(key, float(score)) for key, score in zip(found.tolist(), cosines, strict=True) if key != own][:k]
            scores = np.array([score for _, score in kept])
            pool = Pool(np.array([key for key, _ in kept], dtype=np.int64), (), {"vector": scores}, scores)
            asked = Asked(Query(text=f"{path}:{line}"), QueryClass.CODE, {}, {}, vector, None, Mode.VECTOR)
            hits = read_hits(view, asked, pool, pool.keys.tolist(), 0, {})
            return _answer(view, asked.query.text, asked, len(hits), hits, clock)

    def batch(self, texts: Sequence[str], k: int = 10, **options: Any) -> list[Answer]:
        """Return the answers to several queries, in their order; raise what `search` would for the first wrong one."""
        if "mode" in options:
            options["mode"] = read_mode(options["mode"])
        answers = []
        for answer in self.answers(Wanted(text, k, **options) for text in texts):
            if not isinstance(answer, Answer):
                raise answer
            answers.append(answer)
        return answers

    def close(self) -> None:
        """Give up on code that is being generated, and free what generates it."""
        self._rewriter.close()

    def _answer(self, view: View, wanted: Wanted, query: Query, rewritten: Rewritten, clock: _Clock) -> Answer:
        asked = _beside(ask(view, query, wanted.mode, self._understood(view)), rewritten)
        clock.step("conditions")
        asked = next(self._encoded(view, [asked]))
        clock.step("encode")
        return _answered(view, wanted, asked, clock)

    def _all(
        self, view: View, chunk: Sequence[Wanted], parsed: Sequence[tuple[Query, Rewritten] | QueryError | UsageError]
    ) -> list[Answer | QueryError | UsageError]:
        """Return the answers to a chunk of a batch in one generation, encoded together."""
        read = [self._read(view, *each) for each in zip(chunk, parsed, strict=True)]
        encoded = self._encoded(view, [each for each in read if isinstance(each, Asked)])
        return [
            _answered(view, wanted, next(encoded), _Clock()) if isinstance(asked, Asked) else asked
            for wanted, asked in zip(chunk, read, strict=True)
        ]

    def _parsed(self, chunk: Sequence[Wanted]) -> list[tuple[Query, Rewritten] | QueryError | UsageError]:
        if not any(wanted.rewrite_ms for wanted in chunk):
            return [self._parse(wanted) for wanted in chunk]
        with ThreadPoolExecutor(WAITED_FOR) as pool:
            return list(pool.map(self._parse, chunk))

    def _parse(self, wanted: Wanted) -> tuple[Query, Rewritten] | QueryError | UsageError:
        try:
            wanted.check()
            query = parse(wanted.text)
            return query, self._rewriter.rewrite(query, wanted.rewrite_ms)
        except (QueryError, UsageError) as error:
            return error

    def _read(
        self, view: View, wanted: Wanted, parsed: tuple[Query, Rewritten] | QueryError | UsageError
    ) -> Asked | QueryError | UsageError:
        if not isinstance(parsed, tuple):
            return parsed
        query, rewritten = parsed
        try:
            return _beside(ask(view, query, wanted.mode, self._understood(view)), rewritten)
        except (QueryError, UsageError) as error:
            return error

    def _encoded(self, view: View, asked: Sequence[Asked]) -> Iterator[Asked]:
        """Yield queries with their vectors, those that want one; what was generated for them is encoded with them."""
        wanting = [each for each in asked if _wants_vector(view, each)]
        if not wanting:
            yield from asked
            return
        encoder = self._load(view)
        texts = [text for each in wanting for text in _prompted(encoder, each)]
        made = embed_texts(encoder, texts, self._depth(encoder))
        for each in asked:
            if not _wants_vector(view, each):
                yield each
                continue
            vector, *exemplars = islice(made, 1 + len(each.rewritten.exemplars))
            yield replace(each, vector=query_vector(vector, exemplars), word_vectors=self._word_vectors)

    def _understood(self, view: View) -> Understanding:
        """Return the vocabulary of a generation; that of the newest is kept."""
        kept = self._understanding
        if kept is None or kept[0] is not view:
            kept = self._understanding = (view, Understanding(view))
        return kept[1]

    def _load(self, view: View) -> Encoder:
        if self._encoder is None:
            self._encoder = load_encoder(self._settings)
        encoder = self._encoder
        refuse_other_model(view.manifest, encoder.name, encoder.fingerprint, self._index.place)
        if self._word_vectors is None and 0 in encoder.depths:
            self._word_vectors = WordVectors(encoder)
        return encoder

    def _embed(self, view: View, text: str) -> Any:
        encoder = self._load(view)
        return embed_text(encoder, encoder.document_prompt + text, self._depth(encoder))

    def _depth(self, encoder: Encoder) -> int:
        """Return the depth of queries: the deepest if nothing else is set, which finds code of every depth."""
        depth = self._settings.query_depth
        return encoder.depths[-1] if depth is None else depth


def _beside(asked: Asked, rewritten: Rewritten) -> Asked:
    """Return a query with what was generated for it: what it says, and so its names and its class, stay its own."""
    return replace(asked, terms=query_terms(asked.terms, rewritten.exemplars), rewritten=rewritten)


def _prompted(encoder: Encoder, asked: Asked) -> list[str]:
    """Return a query and what was generated for it, each after what the model wants before it."""
    return [encoder.query_prompt + asked.text, *(encoder.document_prompt + each for each in asked.rewritten.exemplars)]


def _wants_vector(view: View, asked: Asked) -> bool:
    return asked.mode is not Mode.LEXICAL and bool(asked.text.strip()) and bool(len(view.vectors))


def _answered(view: View, wanted: Wanted, asked: Asked, clock: _Clock) -> Answer:
    """Return the answer to a query that is read and encoded."""
    found = candidates(view, asked)
    clock.step("retrieve")
    pool = order(*found, asked, fitted(shallow=view.manifest.shallow) if wanted.rank else FUSION)
    chance = _chance(view, asked, *found, pool) if wanted.rank and asked.mode is Mode.HYBRID else None
    clock.step("rank")
    like = _like(pool, asked, complete=wanted.exhaustive or not wanted.rank)
    last = wanted.offset + wanted.k
    keys = _listing(view, pool, asked, list(like), wanted.exhaustive or last > len(like))
    page = keys[wanted.offset :] if wanted.exhaustive else keys[wanted.offset : last]
    hits = read_hits(view, asked, pool, page.tolist(), wanted.offset, like)
    clock.step("read and highlight")
    return _answer(view, wanted.text, asked, len(keys), hits, clock, chance)


def _chance(view: View, asked: Asked, keys: Keys, found: Candidates, pool: Pool) -> float | None:
    """Return how likely the first hit is relevant, where that is known.

    It is where every unit has a vector, there is a hit, and nothing was generated for the query.
    """
    manifest = view.manifest
    if asked.rewritten.rewriting or asked.vector is None or not len(keys) or manifest.encoded < manifest.documents:
        return None
    row = int(np.searchsorted(keys, pool.keys[0]))
    evidence = gather(found, row, view.lexical.frequencies)
    return probability(evidence, manifest.fingerprint, manifest.depths, asked.query_class)


def _like(pool: Pool, asked: Asked, *, complete: bool) -> dict[int, tuple[str, ...]]:
    """Return the keys of the pool that are listed, best first, each with the ids of the units like it."""
    keys = pool.keys.tolist()
    if complete or asked.allowed is not None or asked.mode is not Mode.HYBRID:
        return dict.fromkeys(keys, ())
    ids = [head.id for head in pool.heads]
    rows = collapse(pool.heads)
    return {keys[row]: tuple([ids[other] for other in others]) if others else () for row, others in rows.items()}


def _listing(view: View, pool: Pool, asked: Asked, listed: Sequence[int], whole: bool) -> Keys:
    """Return the keys to page through: those of the pool that are listed, then whatever else matches."""
    if asked.allowed is not None and (not asked.terms or len(asked.allowed) <= len(pool.keys)):
        rest = np.setdiff1d(asked.allowed, pool.keys)
    elif whole and asked.mode is not Mode.VECTOR:
        found = view.lexical.search(asked.terms, max(1, len(view.lexical)), asked.allowed).keys
        rest = found[~np.isin(found, pool.keys)]
    else:
        rest = np.empty(0, np.int64)
    return np.concatenate([np.array(listed, dtype=np.int64), rest])


def _answer(
    view: View, text: str, asked: Asked, total: int, hits: tuple[Hit, ...], clock: _Clock, chance: float | None = None
) -> Answer:
    manifest = view.manifest
    notes = [f"nothing here says {said!r}; {meant!r} was asked for too" for said, meant in asked.corrected]
    if asked.query.demanded != asked.query.phrases:
        notes.append("what a sentence quotes was taken as words; to demand it, ask for it alone or as an /expression/")
    if asked.language and asked.rewritten.rewriting is None:
        notes.append(
            f"this looks like {asked.language}; names in code are English: ask in English, or for generated code"
        )
    if manifest.complete < 1.0 and asked.mode is not Mode.LEXICAL:
        notes.append(
            f"{manifest.complete:.0%} of the units have vectors so far; the others are found by their words only"
        )
    if doubtful(chance):
        notes.append(f"probably nothing here answers this ({chance:.0%} that the first hit does)")
    rewritten = asked.rewritten
    return Answer(
        query=text,
        query_class=asked.query_class.value,
        generation=manifest.generation,
        complete=manifest.complete,
        took_ms=clock.total(),
        total=total,
        probability=chance,
        hits=hits,
        notes=(*notes, *rewritten.notes),
        rewriting=rewritten.rewriting,
        timings_ms=clock.steps,
        faults=rewritten.faults,
    )


def _check_page(k: int, offset: int) -> None:
    if k < 1:
        raise UsageError(f"k is {k}; it must be at least 1")
    if offset < 0:
        raise UsageError(f"the offset is {offset}; it must not be negative")
