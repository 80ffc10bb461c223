"""Evaluation sets as they lie on the disk, read strictly: what is wrong is named with its file and line.

Two layouts: BEIR (one text, one unit) and repository sets (questions that point to files and lines). Nothing is
indexed or ranked here.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from indexer.errors import QueryError, UsageError
from search.evaluation.sources import SOURCES, Source, read_sources
from search.query import parse

QUESTIONS = "questions.jsonl"
_CORPUS = ("corpus.jsonl", "corpus.jsonl.gz")
_QUERIES = ("queries.jsonl", "queries.jsonl.gz")
_QRELS = ("qrels.tsv", "qrels/test.tsv", "qrels/dev.tsv")
_QRELS_HEADER = ("query-id", "corpus-id", "score")
_GRADE = re.compile(r"\s*-?[0-9]{1,9}\s*")


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a BEIR corpus."""

    id: str
    text: str
    language: str
    title: str = ""


class Place(BaseModel):
    """Lines of a file that answer a question, 1-based and inclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    path: str
    start_line: int = Field(ge=1)
    end_line: int = Field(ge=1)
    symbol: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Place:
        if self.end_line < self.start_line:
            raise ValueError(f"line {self.end_line} comes before line {self.start_line}")
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts or str(path) != self.path:
            raise ValueError(f"{self.path!r} is not written as paths in an index are")
        return self


class Question(BaseModel):
    """A question of a repository set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(alias="_id", min_length=1)
    text: str = Field(min_length=1)
    kind: str
    answers: tuple[Place, ...] = Field(min_length=1)

    @property
    def repository(self) -> str:
        """The repository that is asked."""
        return self.answers[0].repository


@dataclass(frozen=True)
class TextSet:
    """A set in BEIR layout: `relevance` is query → text → grade > 0."""

    name: str
    texts: Mapping[str, Text]
    queries: Mapping[str, str]
    relevance: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class RepositorySet:
    """Questions about packages."""

    name: str
    sources: Mapping[str, Source]
    questions: Mapping[str, Question]
    folder: Path = field(repr=False, default=Path())


def read_set(folder: Path) -> TextSet | RepositorySet:
    """Read a set of either layout; raise UsageError that names what is missing or wrong, with file and line."""
    if not folder.is_dir():
        raise UsageError(f"the set {folder} is not a folder; name one with {QUESTIONS} or {_CORPUS[0]} in it")
    if (folder / QUESTIONS).is_file() or (folder / SOURCES).is_file():
        return _read_repositories(folder)
    return _read_texts(folder)


def _read_texts(folder: Path) -> TextSet:
    corpus, queries_file, qrels = (_one_of(folder, names) for names in (_CORPUS, _QUERIES, _QRELS))
    texts: dict[str, Text] = {}
    for place, row in _rows(corpus):
        text = _text(place, row)
        if text.id in texts:
            raise UsageError(f"{place}: the id {text.id!r} was used before")
        texts[text.id] = text
    queries: dict[str, str] = {}
    for place, row in _rows(queries_file):
        query = _string(place, row, "_id")
        if query in queries:
            raise UsageError(f"{place}: the id {query!r} was used before")
        queries[query] = _askable(place, _string(place, row, "text"))
    relevance = _read_qrels(qrels, queries, texts)
    lonely = [query for query in queries if query not in relevance]
    if lonely:
        raise UsageError(f"{qrels}: no answer to {len(lonely)} of {len(queries)} queries, first {lonely[0]!r}")
    if not queries:
        raise UsageError(f"{queries_file} holds no query")
    return TextSet(folder.resolve().name, texts, queries, relevance)


def _one_of(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise UsageError(f"the set {folder} has no {' or '.join(names)}")


def _text(place: str, row: Mapping[str, Any]) -> Text:
    metadata = row.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise UsageError(f'{place}: "metadata" is not an object')
    language, title = metadata.get("language") or "", row.get("title") or ""
    if not isinstance(language, str) or not isinstance(title, str):
        raise UsageError(f'{place}: "title" and "metadata.language" must be texts')
    names = _whole(place, language), _whole(place, title)
    return Text(_string(place, row, "_id"), _string(place, row, "text"), *names)


def _read_qrels(path: Path, queries: Mapping[str, str], texts: Mapping[str, Text]) -> dict[str, dict[str, int]]:
    relevance: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_lines(path), 1):
        fields = tuple(line.rstrip("\r\n").split("\t"))
        if (number == 1 and fields == _QRELS_HEADER) or not line.strip():
            continue
        place = f"{path}:{number}"
        if len(fields) != len(_QRELS_HEADER) or not _GRADE.fullmatch(fields[2]):
            raise UsageError(f"{place}: not a query, a text and a whole number, with tabs between")
        query, text, grade = fields[0], fields[1], int(fields[2])
        if query not in queries:
            raise UsageError(f"{place}: there is no query {query!r}")
        if text not in texts:
            raise UsageError(f"{place}: the answer {text!r} is not in the corpus")
        if grade > 0:
            relevance.setdefault(query, {})[text] = grade
    return relevance


def _read_repositories(folder: Path) -> RepositorySet:
    sources = {source.repository: source for source in read_sources(folder)}
    path = folder / QUESTIONS
    if not path.is_file():
        raise UsageError(f"the set {folder} has no {QUESTIONS}")
    questions: dict[str, Question] = {}
    for place, row in _rows(path):
        try:
            question = Question.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            raise UsageError(f"{place}: {'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from error
        _askable(place, question.text)
        if question.id in questions:
            raise UsageError(f"{place}: the id {question.id!r} was used before")
        repositories = {answer.repository for answer in question.answers}
        if len(repositories) > 1:
            raise UsageError(f"{place}: the answers are in several repositories: {', '.join(sorted(repositories))}")
        unknown = repositories - sources.keys()
        if unknown:
            raise UsageError(f"{place}: {SOURCES} has no source {unknown.pop()!r}")
        questions[question.id] = question
    if not questions:
        raise UsageError(f"{path} holds no question")
    return RepositorySet(folder.resolve().name, sources, questions, folder)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{place}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UsageError(f"{place}: not a JSON object")
        yield place, row


def _lines(path: Path) -> Iterator[str]:
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            for line in stream:
                number += 1
                yield line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}:{number}: not UTF-8: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read after line {number}: {error}") from error


def _string(place: str, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f'{place}: "{name}" is missing or no text')
    return _whole(place, value)


def _whole(place: str, value: str) -> str:
    """Return a text that UTF-8 can hold: JSON's escapes can spell half a character."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{place}: half a character: {error}") from error
    return value


def _askable(place: str, text: str) -> str:
    """Return a query's text that the search can read."""
    try:
        parse(text)
    except QueryError as error:
        raise UsageError(f"{place}: the query cannot be asked: {error}") from error
    return text
