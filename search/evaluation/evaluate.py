"""One set from the disk to its figures: index, ask every system every question, measure, group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from indexer.encoder.interface import Encoder
from indexer.errors import UsageError
from indexer.generators.interface import Generator
from indexer.index import Index, View
from indexer.lexical.tokens import terms
from indexer.progress import Progress, Report, silent
from indexer.settings import Settings
from indexer.store.interface import Head
from search.engine import Engine
from search.evaluation.generations import Generations, generate, generate_for_questions
from search.evaluation.indexes import repository_indexes, text_index
from search.evaluation.measures import DEPTH, Estimate, Relevance, Values, estimate, evaluate
from search.evaluation.rewriting import ARMS, Encoded, encode, rewritten_set
from search.evaluation.sets import Place, Question, RepositorySet, TextSet, read_set
from search.evaluation.sources import default_layout
from search.evaluation.systems import SYSTEMS, System
from search.retrieval import STOP_WORDS

# Tokens of an answer, up to which it falls into a bucket: as reported for SEA.
_BUCKETS = (128, 256, 512)

Groups = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class Judged:
    """A system's runs on one set: `values` by whole target, `line_values` by unit where a set names lines."""

    run: Mapping[str, Sequence[str]]
    values: Values
    line_values: Values | None = None

    def means(self, queries: Iterable[str] | None = None, *, by_lines: bool = False) -> dict[str, Estimate]:
        """Return every measure's mean with its interval, over all queries or over some."""
        values = self.line_values if by_lines and self.line_values is not None else self.values
        chosen = None if queries is None else list(queries)
        return {
            name: estimate(list(each.values()) if chosen is None else [each[query] for query in chosen])
            for name, each in values.items()
        }


@dataclass(frozen=True)
class SetReport:
    """What was measured on one set. `texts` counts units; `groups` is group → value → queries.

    Systems with generations, or with feedback, are there beside the plain ones: `bm25`, `bm25+gar` and so on.
    """

    name: str
    queries: int
    texts: int
    systems: Mapping[str, Judged]
    groups: Groups = field(default_factory=dict)
    generations: Generations | None = None

    def plain(self, system: str) -> str | None:
        """Return the system that one with something added is compared with, None for a plain one."""
        name, added, _ = system.partition("+")
        return name if added else None


def evaluate_set(
    folder: Path,
    settings: Settings,
    encoder: Encoder,
    *,
    systems: Mapping[str, System] = SYSTEMS,
    stripped: bool = False,
    layout: Path | None = None,
    rewriter: Generator | None = None,
    report: Report = silent,
) -> SetReport:
    """Measure systems on the set in `folder`; raise UsageError for what is wrong with it.

    `stripped` takes comments and docstrings out of the texts first; `layout` is where the sources of a repository
    set lie, by default below the cache folder. With a `rewriter`, a set is measured with what it writes, too: for
    queries and texts in BEIR layout, for the questions alone of a repository set.
    """
    found = read_set(folder)
    if isinstance(found, TextSet):
        generations = generate(found, rewriter, report=report) if rewriter else None
        return _texts(found, settings, encoder, systems, report, stripped=stripped, generations=generations)
    written = generate_for_questions(found, rewriter, report=report) if rewriter else None
    where = layout or default_layout(folder, settings)
    return _repositories(found, where, settings, encoder, systems, report, generations=written)


def _texts(
    texts: TextSet,
    settings: Settings,
    encoder: Encoder,
    systems: Mapping[str, System],
    report: Report,
    *,
    stripped: bool,
    generations: Generations | None,
) -> SetReport:
    with text_index(texts, settings, encoder, stripped=stripped, report=report) as index:
        engine = Engine(index, encoder, settings)
        judged = {}
        for name, system in systems.items():
            run = dict(_asked(engine, system, texts.queries, path_of, report, name))
            judged[name] = Judged(run, evaluate(texts.relevance, run))
        if generations is not None:
            with index.view() as view:
                runs = _rewritten_runs(
                    texts, engine, view, systems, encode(generations, encoder, settings, report), report
                )
                judged |= {name: Judged(run, evaluate(texts.relevance, run)) for name, run in runs}
    best = {query: max(grades, key=lambda text: (grades[text], text)) for query, grades in texts.relevance.items()}
    groups: Groups = {"language": {}, "length": {}}
    for query, text in best.items():
        groups["language"].setdefault(texts.texts[text].language or "unknown", []).append(query)
    _add_lengths(groups, encoder, {query: texts.texts[text].text for query, text in best.items()})
    name = f"{texts.name} without docstrings" if stripped else texts.name
    return SetReport(name, len(best), len(texts.texts), judged, groups, generations)


def _rewritten_runs(
    texts: TextSet, engine: Engine, view: View, systems: Mapping[str, System], encoded: Encoded, report: Report
) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield the run of every system with every arm for which something was generated."""
    usable = {name: arm for name, arm in ARMS.items() if arm.usable(encoded.generations)}
    for arm_name, arm in usable.items():
        with rewritten_set(engine, view, arm, encoded) as rewritten:
            for name, system in systems.items():
                label = f"{name}+{arm_name}"
                queries = _counted(texts.queries, report, label)
                heads = {query: rewritten.ranking(system, query, text) for query, text in queries}
                yield label, {query: _distinct(map(path_of, found)) for query, found in heads.items()}


def _repositories(
    questions: RepositorySet,
    layout: Path,
    settings: Settings,
    encoder: Encoder,
    systems: Mapping[str, System],
    report: Report,
    *,
    generations: Generations | None,
) -> SetReport:
    encoded = encode(generations, encoder, settings, report) if generations is not None else None
    by_file: dict[str, dict[str, list[str]]] = {}
    by_lines: dict[str, dict[str, list[str]]] = {}
    line_relevance: dict[str, Mapping[str, int]] = {}
    units = 0
    for source, index in repository_indexes(questions, layout, settings, encoder, report=report):
        here = {key: each for key, each in questions.questions.items() if each.repository == source.repository}
        line_relevance |= unit_relevance(index, here)
        with index.view() as view:
            units += view.manifest.documents
        texts = {key: question.text for key, question in here.items()}
        for name, ranking in _rankings(Engine(index, encoder, settings), index, systems, encoded):
            label = f"{source.repository}, {name}"
            ranked = {query: ranking(query, text) for query, text in _counted(texts, report, label)}
            files = {query: _distinct(map(file_of, heads)) for query, heads in ranked.items()}
            by_file.setdefault(name, {}).update(files)
            lines = {query: [head.id for head in heads][:DEPTH] for query, heads in ranked.items()}
            by_lines.setdefault(name, {}).update(lines)
    relevance = file_relevance(questions.questions)
    judged = {
        name: Judged(by_file[name], evaluate(relevance, by_file[name]), evaluate(line_relevance, by_lines[name]))
        for name in by_file
    }
    groups = _repository_groups(questions)
    _add_lengths(groups, encoder, {key: _answer_text(layout, each) for key, each in questions.questions.items()})
    return SetReport(questions.name, len(questions.questions), units, judged, groups, generations)


def _rankings(
    engine: Engine, index: Index, systems: Mapping[str, System], encoded: Encoded | None
) -> Iterator[tuple[str, Callable[[str, str], Sequence[Head]]]]:
    """Yield each system, plain and with exemplars, as what ranks a question, given by its id and its text."""
    for name, system in systems.items():
        yield name, partial(_plain, engine, system)
    if encoded is None:
        return
    with index.view() as view, rewritten_set(engine, view, ARMS["gar"], encoded) as rewritten:
        for name, system in systems.items():
            yield f"{name}+gar", partial(rewritten.ranking, system)


def _plain(engine: Engine, system: System, _: str, text: str) -> Sequence[Head]:
    return system.ranking(engine, text)


def file_relevance(questions: Mapping[str, Question]) -> Relevance:
    """Return the files that answer each question."""
    return {key: {f"{each.repository}/{each.path}": 1 for each in found.answers} for key, found in questions.items()}


def unit_relevance(index: Index, questions: Mapping[str, Question]) -> Relevance:
    """Return the units that hold lines of each question's answers; raise UsageError for one that is not indexed."""
    with index.view() as view:
        heads = view.store.heads(view.catalogue.keys.tolist()).values()
    found: dict[str, dict[str, int]] = {}
    for key, question in questions.items():
        found[key] = {head.id: 1 for head in heads if overlapping(head, question.answers)}
        if not found[key]:
            place = question.answers[0]
            raise UsageError(f"question {key!r}: the answer {place.path} of {place.repository} is not indexed")
    return found


def shares_words(question: Question) -> bool:
    """Tell whether a question says a word of the path or the name of an answer, stop words apart."""
    said = _meaning(question.text)
    return any(said & (_meaning(answer.path) | _meaning(answer.symbol)) for answer in question.answers)


def overlapping(head: Head, places: Iterable[Place]) -> bool:
    """Tell whether a unit holds lines of an answer."""
    return any(
        (head.repository, head.path) == (place.repository, place.path)
        and head.start_line <= place.end_line
        and place.start_line <= head.end_line
        for place in places
    )


def _asked(
    engine: Engine,
    system: System,
    queries: Mapping[str, str],
    target: Callable[[Head], str],
    report: Report,
    label: str,
) -> Iterator[tuple[str, list[str]]]:
    for query, text in _counted(queries, report, label):
        yield query, _distinct(map(target, system.ranking(engine, text)))


def _counted(queries: Mapping[str, str], report: Report, label: str) -> Iterator[tuple[str, str]]:
    for count, item in enumerate(queries.items(), 1):
        yield item
        report(Progress(label, count, len(queries), "queries"))


def path_of(head: Head) -> str:
    """Return what a text of a corpus is known by."""
    return head.path


def file_of(head: Head) -> str:
    """Return what a file of a repository set is known by."""
    return f"{head.repository}/{head.path}"


def _distinct(targets: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(targets))[:DEPTH]


def _meaning(text: str) -> set[str]:
    return {term for term in terms(text) if term not in STOP_WORDS and len(term) > 1}


def _repository_groups(questions: RepositorySet) -> Groups:
    groups: Groups = {"kind": {}, "words": {}, "language": {}, "split": {}, "repository": {}}
    for key, question in questions.questions.items():
        source = questions.sources[question.repository]
        values = {
            "kind": question.kind,
            "words": "shared" if shares_words(question) else "none shared",
            "language": source.language,
            "split": "held out" if source.held_out else "development",
            "repository": source.repository,
        }
        for group, value in values.items():
            groups[group].setdefault(value, []).append(key)
    held_out = set(groups["split"].get("held out", []))
    unshared = groups["words"].get("none shared", [])
    groups["words"]["none shared, held out"] = [key for key in unshared if key in held_out]
    return groups


def _answer_text(layout: Path, question: Question) -> str:
    place = question.answers[0]
    lines = (layout / place.repository / place.path).read_text(encoding="utf-8", errors="replace").split("\n")
    return "\n".join(lines[place.start_line - 1 : place.end_line])


def _add_lengths(groups: Groups, encoder: Encoder, texts: Mapping[str, str]) -> None:
    """Group queries by the tokens of their answer."""
    groups["length"] = {}
    tokens = encoder.tokenise(list(texts.values()))
    for query, found in sorted(zip(texts, tokens, strict=True), key=lambda item: len(item[1].ids)):
        least, most = 0, None
        for bound in _BUCKETS:
            if len(found.ids) <= bound:
                most = bound
                break
            least = bound
        name = f"{least + 1} to {most} tokens" if most else f"over {least} tokens"
        groups["length"].setdefault(name, []).append(query)
