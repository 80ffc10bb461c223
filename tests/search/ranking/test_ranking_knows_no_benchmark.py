"""No repository, path or identifier of a benchmark is named where candidates are ranked."""

import builtins
import gzip
import io
import json
import os
import re
import tokenize
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from indexer.style.identifiers import split_identifier
from search.evaluation.sets import RepositorySet, TextSet, read_set

ROOT = Path(__file__).parents[3]
QUESTIONS = ROOT / "tests" / "data" / "questions"
RANKING = [*sorted((ROOT / "search" / "ranking").glob("*.py")), ROOT / "search" / "retrieval.py"]
WEIGHTS = ROOT / "search" / "ranking" / "weights.json"
# Names of several parts that every Python program says: they point to no benchmark.
PYTHONS = {
    name.lower()
    for owner in (builtins, str, bytes, list, dict, set, re, json, Path, np, np.ndarray)
    for name in dir(owner)
}
_SHORTEST = 8
_CALLED = re.compile(r"([^\W\d]\w+)\s*\(")
_COMMENTED = {"STRING", "COMMENT", "FSTRING_MIDDLE"}


def telling(names):
    """Return the names that no sentence says by chance: of 8 characters or more, in several parts, not Python's own."""
    return {
        name.lower()
        for name in names
        if len(name) >= _SHORTEST and len(split_identifier(name)) > 1 and name.lower() not in PYTHONS
    }


def named_in(text, names):
    """Return which names stand in a text as words, in any case."""
    text = text.lower()
    words = set(re.findall(r"\w+", text))
    return {name for name in names if (name in words if name.isidentifier() else _stands(name, text))}


def _stands(name, text):
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def said_by(path):
    """Return what a module says beside its own names: constants, docstrings and comments."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return "\n".join(each.string for each in tokens if tokenize.tok_name[each.type] in _COMMENTED)


@pytest.fixture(scope="module")
def question_names():
    found = read_set(QUESTIONS)
    assert isinstance(found, RepositorySet)
    places = [place for question in found.questions.values() for place in question.answers]
    packages = {part for source in found.sources.values() for part in (source.repository, *source.package.split(":"))}
    files = {PurePosixPath(place.path).name for place in places}
    symbols = {part for place in places for part in re.findall(r"\w+", place.symbol)}
    stems = {PurePosixPath(place.path).stem for place in places}
    # Few and chosen, repositories and files with their endings count whatever their length.
    return {name.lower() for name in packages | files} | telling(symbols | stems)


def names_of_texts(folder):
    """Return the functions that a shipped set's texts define or call in their first line."""
    path = next(folder.glob("corpus.jsonl*"))
    found = set()
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
        for line in stream:
            found.update(_CALLED.findall(json.loads(line)["text"].lstrip().partition("\n")[0]))
    return telling(found)


def test_a_name_is_found_in_any_case_and_as_a_word_only():
    names = telling({"getRetryAfter", "parse_retry_after", "retry", "endswith", "ValueError"})
    assert names == {"getretryafter", "parse_retry_after"}
    assert named_in("_X = 'GETRETRYAFTER'", names) == {"getretryafter"}
    assert named_in("def get_retry(): parse_retry_after_all()", names) == set()
    assert named_in("if path == 'util/retry.py':", {"retry.py"}) == {"retry.py"}
    assert named_in("a my-retry.py and retry.pyc", {"retry.py"}) == set()


def test_constants_are_read_with_the_comments(tmp_path):
    path = tmp_path / "a.py"
    path.write_text('def own_name():\n    """Docs."""\n    return f"one {own_name()}", r"two"  # three\n')
    said = said_by(path)
    for word in ("Docs", "one", "two", "three"):
        assert word in said
    assert "return" not in said


def test_the_names_are_many_and_of_every_repository(question_names):
    assert len(question_names) > 250
    assert {source.repository.lower() for source in read_set(QUESTIONS).sources.values()} <= question_names


@pytest.mark.parametrize("path", [*RANKING, WEIGHTS], ids=lambda path: path.name)
def test_no_name_of_the_questions_occurs(path, question_names):
    assert named_in(path.read_text(encoding="utf-8"), question_names) == set()


def test_no_name_of_the_shipped_sets_occurs():
    base = os.environ.get("FATHOM_DATA")
    if base is None:
        pytest.skip("FATHOM_DATA, the folder of the evaluation sets, is not set")
    folders = sorted(path.parent for path in Path(base).glob("*/qrels.tsv"))
    assert folders
    for folder in folders:
        assert isinstance(read_set(folder), TextSet)
        names = names_of_texts(folder) | {folder.name.lower()}
        assert len(names) > 100
        # Our own functions may be called as one of thousands is; a rule would need the name in a constant.
        for path in RANKING:
            assert named_in(said_by(path), names) == set(), f"{path.name}, {folder.name}"
        assert named_in(WEIGHTS.read_text(encoding="utf-8").partition('"weights"')[2], names) == set()
