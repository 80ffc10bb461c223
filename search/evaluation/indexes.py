"""The indexes that a set is asked of, kept below the cache folder: the same set with the same options is found again.

Nothing is written beside a set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexer.encoder.interface import Encoder
from indexer.errors import UsageError
from indexer.index import Index
from indexer.progress import Report, silent
from indexer.settings import Backend, Settings
from indexer.store.schema import FORMAT
from indexer.style.docstrings import without_docstrings
from search.evaluation.sets import RepositorySet, Text, TextSet
from search.evaluation.sources import Source, lies_at

_CORPUS = "corpus.jsonl"


@contextmanager
def text_index(
    texts: TextSet, settings: Settings, encoder: Encoder, *, stripped: bool, report: Report = silent
) -> Iterator[Index]:
    """Yield an index of a BEIR corpus: a text is a unit whose path is its id."""
    rows = [_row(text, stripped=stripped) for text in texts.texts.values()]
    corpus = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n"
    folder = _folder(settings, texts.name, encoder, corpus)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CORPUS).write_text(corpus, encoding="utf-8")
    yield from _built(folder, folder / _CORPUS, settings, encoder, report, len(rows))


def repository_indexes(
    questions: RepositorySet, layout: Path, settings: Settings, encoder: Encoder, *, report: Report = silent
) -> Iterator[tuple[Source, Index]]:
    """Yield each source of a set that has questions, with its index.

    Raises UsageError, naming the source, where it does not lie below `layout`, and where an answer is not in it.
    """
    asked = {answer.repository for question in questions.questions.values() for answer in question.answers}
    for source in (source for source in questions.sources.values() if source.repository in asked):
        folder = layout / source.repository
        _check_layout(questions, source, folder)
        chosen = settings.model_copy(update={"include_vendored": True})
        # An index takes a source from one place only: the same package elsewhere is another index.
        content = json.dumps([source.identity(), str(folder.resolve())])
        target = _folder(settings, f"{questions.name}-{source.repository}", encoder, content)
        for index in _built(target, folder, chosen, encoder, report, None):
            yield source, index


def _row(text: Text, *, stripped: bool) -> dict[str, object]:
    # A text that is nothing but its docstring stays as it is: every candidate is kept.
    body = (without_docstrings(text.text, text.language) or text.text) if stripped else text.text
    return {"_id": text.id, "text": body, "title": text.title, "metadata": {"language": text.language}}


def _folder(settings: Settings, name: str, encoder: Encoder, content: str) -> Path:
    parts = [FORMAT, encoder.fingerprint, settings.depth, content]
    if settings.backend is not Backend.EMBEDDED:
        parts += [settings.backend.value, *settings.elasticsearch_url]
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=8)
    return settings.cache / "eval" / f"{name}-{digest.hexdigest()}"


def _built(
    folder: Path, source: Path, settings: Settings, encoder: Encoder, report: Report, expected: int | None
) -> Iterator[Index]:
    # In a cluster each set has a name of its own.
    name = f"{settings.elasticsearch_name}-eval-{folder.name.rpartition('-')[2]}"
    settings = settings.model_copy(update={"elasticsearch_name": name})
    index = Index.build(folder / "index", [str(source)], settings=settings, encoder=encoder, report=report)
    try:
        with index.view() as view:
            found = len(view.catalogue.files)
        if expected is not None and found != expected:
            skipped = [f"{entry.path}: {entry.reason} {entry.detail}" for entry in index.store.skipped()]
            raise UsageError(f"{expected - found} of {expected} texts cannot be indexed, first {skipped[:1]}")
        yield index
    finally:
        index.close()


def _check_layout(questions: RepositorySet, source: Source, folder: Path) -> None:
    fetch = f"run `python -m benchmarks.sources {questions.folder}`"
    if not lies_at(source, folder):
        raise UsageError(f"the source {source.repository} {source.version} does not lie at {folder}; {fetch}")
    for question in questions.questions.values():
        for answer in question.answers:
            if answer.repository != source.repository:
                continue
            path = folder / answer.path
            if not path.is_file():
                raise UsageError(f"question {question.id!r}: the answer {answer.path} is not in {source.repository}")
            content = path.read_bytes()
            lines = content.count(b"\n") + (not content.endswith(b"\n"))
            if answer.end_line > lines:
                raise UsageError(f"question {question.id!r}: {answer.path} has no line {answer.end_line}")
