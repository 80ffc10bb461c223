"""Repository sets: whatever is wrong with questions or sources is said with its file and line; good ones are read right."""

import json

import pytest

from indexer.errors import UsageError
from indexer.settings import Settings
from search.evaluation.sets import Place, RepositorySet, read_set
from search.evaluation.sources import default_layout, lies_at, mark, read_sources


@pytest.fixture
def folder(small_sets, tmp_path):
    return small_sets.repository_set(tmp_path / "asked")


def refused(folder):
    with pytest.raises(UsageError) as raised:
        read_set(folder)
    return str(raised.value)


@pytest.mark.parametrize("name", ["questions.jsonl", "sources.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert refused(folder) == f"the set {folder} has no {name}"


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_no_question_is_no_set(folder, content):
    (folder / "questions.jsonl").write_text(content)
    assert refused(folder) == f"{folder / 'questions.jsonl'} holds no question"


PLACE = {"repository": "shapes", "path": "a.py", "start_line": 1, "end_line": 2}
GOOD = {"_id": "k9", "text": "a question", "kind": "behaviour", "answers": [PLACE]}


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


def answered(**changes):
    return GOOD | {"answers": [PLACE | changes]}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (without("_id"), ["_id", "required"]),
        (without("text"), ["text", "required"]),
        (without("kind"), ["kind", "required"]),
        (without("answers"), ["answers", "required"]),
        (GOOD | {"_id": ""}, ["_id"]),
        (GOOD | {"_id": "k1"}, ["'k1' was used before"]),
        (GOOD | {"text": ""}, ["text"]),
        (GOOD | {"text": "  "}, ["query is empty"]),
        (GOOD | {"text": "what /(/ matches"}, ["regular expression at column 6"]),
        (GOOD | {"text": "half \ud800"}, ["text"]),
        (GOOD | {"answers": []}, ["answers"]),
        (GOOD | {"answers": PLACE}, ["answers"]),
        (GOOD | {"difficulty": "hard"}, ["difficulty", "not permitted"]),
        (answered(score=1), ["answers.0.score", "not permitted"]),
        (answered(start_line=0), ["answers.0.start_line"]),
        (answered(start_line="one"), ["answers.0.start_line"]),
        (answered(start_line=3), ["line 2 comes before line 3"]),
        (answered(path="/etc/hosts"), ["'/etc/hosts'"]),
        (answered(path="../shapes/a.py"), ["'../shapes/a.py'"]),
        (answered(path="./a.py"), ["'./a.py'"]),
        (answered(path="lib//a.py"), ["'lib//a.py'"]),
        (answered(path=""), ["answers.0"]),
        (answered(repository="forms"), ["sources.json has no source 'forms'"]),
        (
            GOOD | {"answers": [PLACE, PLACE | {"repository": "pipes"}]},
            ["answers are in several repositories: pipes, shapes"],
        ),
    ],
)
def test_a_question_that_cannot_be_is_named(folder, row, words):
    path = folder / "questions.jsonl"
    with path.open("a") as stream:
        stream.write("\n" + json.dumps(row) + "\n")
    said = refused(folder)
    assert said.startswith(f"{path}:5: ")
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize("line", [b'{"_id": ', b"[]", b'{"_id": "caf\xe9"}', b"[" * 100_000])
def test_a_broken_line_is_named(folder, line):
    path = folder / "questions.jsonl"
    path.write_bytes(path.read_bytes() + line)
    assert refused(folder).startswith(f"{path}:4: ")


@pytest.mark.parametrize(
    "content", [b"", b"[{", b'[{"repository": "caf\xe9"}]', b"[" * 100_000, b'{"repository": "shapes"}', b"null"]
)
def test_damaged_sources_are_named(folder, content):
    path = folder / "sources.json"
    path.write_bytes(content)
    assert refused(folder).startswith(f"{path} ")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"repository": "shapes"}, "'shapes' is named twice"),
        ({"registry": "cpan"}, "registry"),
        ({"registry": None}, "registry"),
        ({"version": 1}, "version"),
        ({"include": "lib"}, "include"),
        ({"url": "https://example.org"}, "url"),
        # The name is that of a folder which is made anew.
        *(({"repository": name}, "repository") for name in ("", ".", "..", "../up", "/tmp", "a/b", "-x", "a\n")),
    ],
)
def test_a_source_that_cannot_be_is_named(folder, small_sets, changes, word):
    path = folder / "sources.json"
    path.write_text(json.dumps([*small_sets.SOURCES, small_sets.source("third", "c") | changes]))
    said = refused(folder)
    assert said.startswith(f"{path}, source 3: ")
    assert word in said


def test_a_source_without_a_licence_is_refused(folder, small_sets):
    entry = {key: value for key, value in small_sets.SOURCES[0].items() if key != "licence"}
    (folder / "sources.json").write_text(json.dumps([entry]))
    assert "source 1: licence: " in refused(folder)


def test_a_set_is_read_whole(folder, small_sets):
    found = read_set(folder)
    assert isinstance(found, RepositorySet)
    assert (found.name, found.folder) == ("asked", folder)
    assert list(found.sources) == ["shapes", "pipes"]
    assert [each.held_out for each in found.sources.values()] == [False, True]
    assert list(found.questions) == ["k1", "k2", "k3"]
    first = found.questions["k1"]
    assert (first.text, first.kind, first.repository) == ("zebra", "behaviour", "shapes")
    assert first.answers == (Place.model_validate(small_sets.MEASURE),)


def test_a_source_lies_there_only_whole_and_in_its_version(folder, tmp_path):
    source = read_sources(folder)[0]
    place = tmp_path / "layout" / source.repository
    assert not lies_at(source, place)
    place.mkdir(parents=True)
    assert not lies_at(source, place)
    mark(source, place)
    assert lies_at(source, place)
    assert list(place.iterdir()) == []
    for change in ({"version": "2.0"}, {"include": ("lib",)}, {"root": "lib/"}, {"package": "other"}):
        assert not lies_at(source.model_copy(update=change), place)
    assert lies_at(source.model_copy(update={"licence": "other", "held_out": True}), place)
    mark_file = next(path for path in place.parent.iterdir() if path.is_file())
    mark_file.write_bytes(b"\xff")
    assert not lies_at(source, place)
    mark(source, place)
    place.rmdir()
    assert not lies_at(source, place)


def test_sources_lie_below_the_cache_by_the_name_of_the_set(folder, tmp_path):
    assert default_layout(folder, Settings(cache=tmp_path / "c")) == tmp_path / "c" / "sets" / "asked"
