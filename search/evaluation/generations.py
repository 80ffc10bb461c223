"""What a generator writes for a set: an exemplar a query, a purpose and a rewriting a text.

Asks only; nothing is combined or ranked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from indexer.batching import batched
from indexer.errors import UsageError
from indexer.generators.interface import Budget, Generation, Generator, NotRecorded, OutOfTime, Request, Task, Unusable
from indexer.progress import Progress, Report, silent
from search.evaluation.sets import RepositorySet, Text, TextSet

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")

# Seconds for one text: nobody waits for it, and a model may be slow.
BUDGET = Budget(120.0)
# Texts that are asked for at a time; a generator may do fewer at once.
_AT_A_TIME = 8
# What makes one text missing; any other failure would meet the next one too.
_MISSING = (NotRecorded, Unusable, OutOfTime)


@dataclass(frozen=True)
class Generations:
    """What was written, by query or text id; what is missing is not in it. Tokens are those that were counted."""

    by: str
    exemplars: Mapping[str, tuple[str, ...]]
    purposes: Mapping[str, str]
    rewritten: Mapping[str, tuple[str, ...]]
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class _Written:
    purpose: Generation | None
    rewritten: Generation | None


def generate(texts: TextSet, generator: Generator, *, budget: Budget = BUDGET, report: Report = silent) -> Generations:
    """Return what a generator writes for a set; raise UsageError where it has nothing at all for it.

    Raises GenerationFailed for a failure that is not of one text: a server that cannot be reached, a wrong key.
    """

    def rewriting(text: Text) -> _Written:
        purpose = _asked(generator, Request(Task.PURPOSE, text.text, key=text.id, language=text.language), budget)
        if purpose is None:
            return _Written(None, None)
        again = Request(Task.REWRITING, purpose.texts[0], key=text.id, language=text.language)
        return _Written(purpose, _asked(generator, again, budget))

    queries = {key: text for key, text in texts.queries.items() if key in texts.relevance}
    exemplars = _exemplars(queries, {}, generator, budget, report)
    count = len(texts.texts)
    written = dict(zip(texts.texts, _each(rewriting, texts.texts.values(), count, "rewritings", report), strict=True))
    return _gathered(generator.name, exemplars, written)


def generate_for_questions(
    questions: RepositorySet, generator: Generator, *, budget: Budget = BUDGET, report: Report = silent
) -> Generations:
    """Return the exemplars that a generator writes for the questions of a repository set; raise as `generate`."""
    texts = {key: each.text for key, each in questions.questions.items()}
    languages = {key: questions.sources[each.repository].language for key, each in questions.questions.items()}
    return _gathered(generator.name, _exemplars(texts, languages, generator, budget, report), {})


def _exemplars(
    queries: Mapping[str, str], languages: Mapping[str, str], generator: Generator, budget: Budget, report: Report
) -> dict[str, Generation | None]:
    def exemplar(item: tuple[str, str]) -> Generation | None:
        key, text = item
        return _asked(generator, Request(Task.EXEMPLAR, text, key=key, language=languages.get(key, "")), budget)

    return dict(zip(queries, _each(exemplar, queries.items(), len(queries), "exemplars", report), strict=True))


def _gathered(name: str, exemplars: Mapping[str, Generation | None], written: Mapping[str, _Written]) -> Generations:
    found = [*exemplars.values(), *(part for each in written.values() for part in (each.purpose, each.rewritten))]
    made = [each for each in found if each is not None]
    result = Generations(
        by=name,
        exemplars={key: each.texts for key, each in exemplars.items() if each},
        purposes={key: each.purpose.texts[0] for key, each in written.items() if each.purpose},
        rewritten={key: each.rewritten.texts for key, each in written.items() if each.rewritten},
        tokens_in=sum(each.tokens_in or 0 for each in made),
        tokens_out=sum(each.tokens_out or 0 for each in made),
    )
    if not result.exemplars and not result.purposes:
        raise UsageError(f"{name}: nothing is there for this set; are the generations another set's?")
    return result


def _asked(generator: Generator, request: Request, budget: Budget) -> Generation | None:
    try:
        return generator.generate(request, budget)
    except _MISSING:
        return None


def _each(
    work: Callable[[_Item], _Made], items: Iterable[_Item], total: int, step: str, report: Report
) -> Iterator[_Made]:
    """Yield what is made of each item, in order, several at a time; a failure ends it, and nothing more is begun."""
    done = 0
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        for chunk in batched(items, _AT_A_TIME):
            for made in pool.map(work, chunk):
                done += 1
                report(Progress(step, done, total, "texts"))
                yield made
