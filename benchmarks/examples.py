"""Examples to fit ranking weights to: the pools of queries with known answers, as the signals see them.

Read from development sets only: the packages kept out of tuning are never looked at. Nothing is fitted here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cross_language import tuning_half
from benchmarks.pasted import pasted_queries
from indexer.index import Index, load_encoder
from indexer.settings import Settings
from indexer.store.interface import Head
from search.classes import QueryClass, classify
from search.engine import Engine
from search.evaluation.evaluate import file_of, file_relevance, overlapping, path_of, shares_words
from search.evaluation.indexes import repository_indexes, text_index
from search.evaluation.sets import Question, RepositorySet, TextSet, read_set
from search.evaluation.sources import default_layout
from search.query import parse
from search.ranking.model import SIGNALS, normalised
from search.retrieval import Mode, candidates

OWN_SET = Path("tests/data/questions")
TEXT_SETS = ("cosqa-dev", "mbpp-recorded", "java-csharp-dev")
# Names asked of each package, as a person types a symbol.
_NAMES_A_PACKAGE = 25
_SEED = 11
# Parts of a corpus that are left out in turn.
_FOLDS = 5

Matrix = NDArray[np.float64]
Looks = Mapping[QueryClass, Mapping[str, float]]


@dataclass(frozen=True)
class Example:
    """One query's pool: `signals` (n, signals), each candidate's target, and which rows are right.

    `group` is what is left out together: a package, or a fold of a corpus.
    """

    set: str
    query: str
    group: str
    query_class: QueryClass
    signals: Matrix
    targets: tuple[str, ...]
    relevant: Mapping[str, int]
    right_units: NDArray[np.bool_]
    unshared: bool = False


def read_examples(
    settings: Settings,
    data: Path,
    signals: Collection[str],
    look: Looks | None = None,
    classes: Collection[QueryClass] = tuple(QueryClass),
) -> list[Example]:
    """Return the examples of every development set; only `signals` are worked out, the others are 0.

    `look` holds the weights by which the candidates whose texts are read are chosen, None: those that are shipped.
    Queries of other than these `classes` are left out.
    """
    reading = _Reading(frozenset(signals), look, frozenset(classes))
    encoder = load_encoder(settings)
    examples: list[Example] = []
    sets = [read_set(data / name) for name in TEXT_SETS]
    for found in [*sets, tuning_half()]:
        assert isinstance(found, TextSet)
        with text_index(found, settings, encoder, stripped=False) as index:
            examples += _text_examples(found, Engine(index, encoder, settings), index, reading)
    questions = read_set(OWN_SET)
    assert isinstance(questions, RepositorySet)
    for source, index in repository_indexes(questions, default_layout(OWN_SET, settings), settings, encoder):
        if source.held_out:
            continue
        here = {key: each for key, each in questions.questions.items() if each.repository == source.repository}
        engine = Engine(index, encoder, settings)
        examples += _question_examples(here, engine, index, reading)
        examples += _name_examples(engine, index, source.repository, reading)
        examples += _pasted_examples(engine, index, source.repository, reading)
    return examples


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is worked out for the pools: which signals, by which first look."""

    signals: frozenset[str]
    look: Looks | None
    classes: frozenset[QueryClass] = frozenset(QueryClass)

    def wants(self, text: str) -> bool:
        """Tell whether a query is of a class that is read."""
        return classify(parse(text)) in self.classes


def _text_examples(texts: TextSet, engine: Engine, index: Index, reading: _Reading) -> list[Example]:
    return [
        _example(
            texts.name,
            query,
            f"{texts.name}-{place % _FOLDS}",
            engine,
            index,
            text,
            path_of,
            texts.relevance[query],
            None,
            reading,
        )
        for place, (query, text) in enumerate(texts.queries.items())
        if reading.wants(text)
    ]


def _question_examples(
    questions: Mapping[str, Question], engine: Engine, index: Index, reading: _Reading
) -> list[Example]:
    relevance = file_relevance(questions)
    return [
        _example(
            "questions", key, each.repository, engine, index, each.text, file_of, relevance[key], each,
            reading, unshared=not shares_words(each),
        )
        for key, each in questions.items()
        if reading.wants(each.text)
    ]  # fmt: skip


def _name_examples(engine: Engine, index: Index, repository: str, reading: _Reading) -> list[Example]:
    """Ask for names of the index, whole or in part, in the way people type them."""
    chosen = random.Random(_SEED)
    with index.view() as view:
        heads = [head for head in view.store.heads(view.catalogue.keys.tolist()).values() if worth_asking(head)]
    examples = []
    for place, head in enumerate(chosen.sample(heads, min(_NAMES_A_PACKAGE, len(heads)))):
        same = [other for other in heads if other.symbol == head.symbol]
        relevant = {file_of(other): 1 for other in same}
        text = head.symbol if place % 2 else head.symbol.rpartition(".")[2]
        if not place % 2:
            relevant |= {file_of(other): 1 for other in heads if other.symbol.rpartition(".")[2] == text}
        query = f"name-{repository}-{place}"
        if reading.wants(text):
            examples.append(_example("names", query, repository, engine, index, text, file_of, relevant, None, reading))
    return examples


def _pasted_examples(engine: Engine, index: Index, repository: str, reading: _Reading) -> list[Example]:
    """Ask for lines of the package; a unit answers, not its file."""
    with index.view() as view:
        queries = pasted_queries(view)
    return [
        _example(
            "pasted", f"pasted-{repository}-{place}", repository, engine, index, each.text, attrgetter("id"),
            each.relevant, None, reading,
        )
        for place, each in enumerate(queries)
        if reading.wants(each.text)
    ]  # fmt: skip


def worth_asking(head: Head) -> bool:
    """Tell whether a unit has a name that a person would type."""
    return len(head.symbol) > 3 and head.kind in {"function", "method", "class"} and "test" not in head.path.lower()


def _example(
    name: str,
    query: str,
    group: str,
    engine: Engine,
    index: Index,
    text: str,
    target: Callable[[Head], str],
    relevant: Mapping[str, int],
    question: Question | None,
    reading: _Reading,
    *,
    unshared: bool = False,
) -> Example:
    with index.view() as view:
        asked = engine.asked(view, text, Mode.HYBRID)
        _, found = candidates(view, asked, reading.look)
        nothing = np.zeros(len(found.heads))
        # Some read texts: of the same generation.
        columns = [normalised(found, label) if label in reading.signals else nothing for label in SIGNALS]
    targets = tuple(map(target, found.heads))
    right = [
        overlapping(head, question.answers) if question else place in relevant
        for head, place in zip(found.heads, targets, strict=True)
    ]
    signals = np.stack(columns, axis=1).astype(np.float64)
    return Example(name, query, group, asked.query_class, signals, targets, relevant, np.array(right), unshared)
