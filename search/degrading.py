"""Answers while a part of the index cannot be asked: by meaning alone, and saying so. Nothing is retrieved here."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from indexer.errors import QueryError, ServerUnavailable, UsageError
from indexer.index import View
from search.retrieval import Mode
from search.types import Answer

WORDLESS = "the words of the index cannot be asked just now; this was found by meaning alone"

# What a query gets: an answer, or what was wrong with it.
Result = Answer | QueryError | UsageError


def with_or_without_words(view: View, modes: Sequence[Mode], answered: Callable[[View], list[Result]]) -> list[Result]:
    """Return what `answered` makes of a generation, or of its vectors alone while the server of its words is away.

    Raises ServerUnavailable where a mode asks for words, or there are no vectors as yet.
    """
    try:
        return answered(view)
    except ServerUnavailable as error:
        if Mode.LEXICAL in modes or not len(view.vectors):
            raise
        fault = str(error)
    return [_noted(each, fault) if isinstance(each, Answer) else each for each in answered(view.wordless)]


def _noted(answer: Answer, fault: str) -> Answer:
    more = {"notes": (*answer.notes, WORDLESS), "faults": (*answer.faults, fault), "probability": None}
    return answer.model_copy(update=more)
