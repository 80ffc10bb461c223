"""A query to the code that answers it, as a generator would write it: generation-augmented retrieval, query side.

In time or not at all: whatever fails, the query stands as it is, and it is said. Nothing is searched or combined here.
"""

from __future__ import annotations

import threading
import time

from indexer.generators.factory import GeneratorSettings, open_waited_for
from indexer.generators.interface import (
    Budget,
    Busy,
    Generation,
    GenerationFailed,
    OutOfTime,
    Refused,
    Request,
    Task,
    Unreachable,
    Unusable,
    text_key,
)
from indexer.index import Index
from indexer.settings import Settings
from search.query import Query
from search.rewriting.cache import Exemplars
from search.rewriting.outcome import AS_IT_IS, Rewritten
from search.rewriting.pairs import WithPairs
from search.rewriting.waiting import Waiting
from search.types import Rewriting

# The longest time that a search can be told to wait for code, in milliseconds.
MAX_REWRITE_MS = 60_000
# Of that time, in seconds, what the rest of a search takes: a loaded machine is late by as much.
_MARGIN = 0.020
# Characters of an exemplar that are used: the 256 tokens that it may have are some 1,000, and all are encoded.
_MOST_CHARS = 2_000
_WHY: tuple[tuple[type[GenerationFailed], str], ...] = (
    (OutOfTime, "it takes longer than {ms} ms"),
    (Unreachable, "it cannot be reached"),
    (Busy, "it is busy"),
    (Refused, "it refuses the request"),
    (Unusable, "it wrote no code"),
    (GenerationFailed, "it failed"),
)
_UNKEPT = "what the generator wrote cannot be kept for the next time"
_NO_WORDS = "there are no words to generate code for"


class Rewriter:
    """Writes exemplars for the queries of an index; safe to share between threads, to be closed.

    The generator that the settings name is opened when the first query wants it.
    """

    def __init__(self, settings: Settings, index: Index) -> None:
        self._settings, self._index = settings, index
        self._lock = threading.Lock()
        self._writer: Waiting | None = None

    def rewrite(self, query: Query, ms: int) -> Rewritten:
        """Return an exemplar of a query, or why there is none, within `ms` milliseconds; with 0 nobody is asked.

        Raises UsageError where the settings name no generator.
        """
        begun = time.perf_counter()
        if not ms:
            return AS_IT_IS
        writer = self._opened()
        if not query.free_text.strip():
            return Rewritten(notes=(_NO_WORDS,))
        try:
            made = writer.generate(self._request(query), Budget(max(ms / 2e3, ms / 1e3 - _MARGIN)))
        except GenerationFailed as failure:
            why = next(words for kind, words in _WHY if isinstance(failure, kind)).format(ms=ms)
            return Rewritten(notes=(f"the query was asked without generated code: {why}",), faults=(str(failure),))
        return _used(made, 1e3 * (time.perf_counter() - begun), writer.unkept)

    def close(self) -> None:
        """Give up on what is being written, and close the generator; the next query opens it again."""
        with self._lock:
            opened, self._writer = self._writer, None
        if opened is not None:
            opened.close()

    def _opened(self) -> Waiting:
        with self._lock:
            if self._writer is None:
                generator = open_waited_for(GeneratorSettings.of(self._settings))
                self._writer = Waiting(WithPairs(generator, self._index), Exemplars(self._settings.cache))
            return self._writer

    def _request(self, query: Query) -> Request:
        # What is written follows the style of an index: that of another is no answer here.
        language, text = _language(query), query.free_text
        key = text_key(f"{self._index.folder.resolve()}\n{self._index.place}\n{language}\n{text}")
        return Request(Task.EXEMPLAR, text, key=key, language=language)


def _used(made: Generation, ms: float, unkept: str) -> Rewritten:
    exemplars = tuple(text[:_MOST_CHARS] for text in made.texts)
    used = Rewriting(generator=made.source, exemplars=exemplars, ms=ms, cached=made.cached)
    if made.cached or not unkept:
        return Rewritten(used)
    return Rewritten(used, (_UNKEPT,), (unkept,))


def _language(query: Query) -> str:
    """Return the language that a query asks for, "" for none or several."""
    wanted = [each.values for each in query.filters if each.field == "lang" and not each.negated]
    return wanted[0][0] if len(wanted) == 1 and len(wanted[0]) == 1 else ""
