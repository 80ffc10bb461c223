"""The main job with the shipped model: index a folder, ask, change it, ask again."""

import json
import subprocess
import sys

import pytest

from cli.main import run
from indexer.errors import IndexBusy, IndexDamaged, IndexMissing, UsageError
from indexer.index import Index
from indexer.store.lock import writer_lock
from search.engine import Engine

SHAPES = '''"""Shapes."""


class Circle:
    """A round shape."""

    def __init__(self, radius):
        self.radius = radius

    def area(self):
        """How much surface the shape covers."""
        return 3.14159 * self.radius ** 2


def total_surface(shapes):
    if not shapes:
        raise ValueError("no shapes given")
    return sum(shape.area() for shape in shapes)
'''
RETRY = '''import time


def call_with_backoff(function, attempts=5):
    """Call a function again after a growing pause when it fails."""
    for attempt in range(attempts):
        try:
            return function()
        except OSError:
            time.sleep(2 ** attempt)
    raise RuntimeError("gave up")
'''


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "shapes.py").write_text(SHAPES)
    (folder / "retry.py").write_text(RETRY)
    return folder


@pytest.fixture
def index(tmp_path, project):
    built = Index.build(tmp_path / "index", [str(project)])
    yield built
    built.close()


def test_no_index_is_said_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(IndexMissing, match="fathom index"):
        Index.open(tmp_path / "nothing")


def test_a_missing_source_is_wrong_use(tmp_path, capsys):
    assert run(["index", "--index", str(tmp_path / "index"), str(tmp_path / "missing")]) == 2
    assert "missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["-k", "0", "word"], ['"open'], ["/(/"], ["lang:klingon x"], ["--mode", "psychic", "x"], [" "]]
)
def test_a_bad_query_is_wrong_use(index, arguments, capsys):
    assert run(["search", "--index", str(index.folder), *arguments]) == 2
    assert capsys.readouterr().err


def test_nothing_found_has_its_own_exit_code(index, capsys):
    assert run(["search", "--index", str(index.folder), '"no such phrase anywhere"']) == 1
    assert capsys.readouterr().out == ""


def test_a_second_writer_is_refused(index, project, capsys):
    with writer_lock(index.folder):
        assert run(["index", "--index", str(index.folder), str(project)]) == 4
        with pytest.raises(IndexBusy), writer_lock(index.folder):
            pytest.fail("two writers")


def test_every_damaged_derived_file_is_found_and_repaired(index, capsys):
    with index.view() as view:
        files = list(view.manifest.files())
    assert files
    for entry in files:
        path = index.folder / entry.path
        whole = path.read_bytes()
        path.unlink()
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        with pytest.raises(IndexDamaged, match="check --repair"):
            Index.open(index.folder)
        path.write_bytes(whole)
    (index.folder / files[0].path).write_bytes(b"")
    assert run(["search", "--index", str(index.folder), "circle"]) == 3
    assert run(["check", "--index", str(index.folder), "--repair"]) == 0
    assert Engine(Index.open(index.folder)).search("total_surface", 1).hits[0].symbol == "total_surface"


def test_a_question_in_words_a_symbol_and_a_phrase_find_their_unit(index):
    engine = Engine(index)
    assert engine.search("wait longer between repeated tries", 1).hits[0].symbol == "call_with_backoff"
    assert engine.search("Circle.area", 1).hits[0].symbol == "Circle.area"
    hit = engine.search('"no shapes given"').hits[0]
    assert (hit.path, hit.lines) == ("shapes.py", (17,))
    assert [found.symbol for found in engine.search(r"/sleep\(2/").hits] == ["call_with_backoff"]
    assert {found.path for found in engine.search("-time path:shapes.py shape", exhaustive=True).hits} == {"shapes.py"}


def test_parts_add_up_and_pages_fit_together(index):
    engine = Engine(index)
    whole = engine.search("shape area", 50)
    for hit in whole.hits:
        assert sum(hit.parts.values()) == pytest.approx(hit.score)
    pages = [engine.search("shape area", 1, offset=at).hits[0].id for at in range(len(whole.hits))]
    assert pages == [hit.id for hit in whole.hits]
    with pytest.raises(UsageError):
        engine.search("shape", 0)


def test_changes_renames_and_deletions_are_followed(index, project):
    (project / "retry.py").rename(project / "again.py")
    (project / "shapes.py").write_text(SHAPES.replace("total_surface", "sum_of_areas"))
    built = Index.build(index.folder, [str(project)])
    summary = built.summary
    assert (summary.added, summary.changed, summary.removed, summary.unchanged) == (1, 1, 1, 0)
    engine = Engine(built)
    assert engine.search("call_with_backoff", 1).hits[0].path == "again.py"
    assert engine.search("sum_of_areas", 1).hits[0].symbol == "sum_of_areas"
    assert not engine.search('"total_surface"').hits
    with built.view() as view:
        assert len(view.lexical) == view.manifest.documents == view.manifest.encoded == len(view.vectors)


def test_json_is_the_whole_of_standard_output(index, capsys):
    assert run(["search", "--index", str(index.folder), "--json", "-k", "2", "circle area"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) >= {
        "query",
        "class",
        "generation",
        "complete",
        "took_ms",
        "total",
        "probability",
        "hits",
        "notes",
    }
    assert len(answer["hits"]) == 2
    unit = answer["hits"][0]
    assert run(["show", "--index", str(index.folder), "--json", unit["id"]]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == unit["text"]
    assert run(["status", "--index", str(index.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 2


def test_answers_do_not_depend_on_the_hash_seed(index):
    code = "import sys; from cli.main import main; main(sys.argv[1:])"
    outputs = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code, "search", "--index", str(index.folder), "--json", "shape of a circle"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed, "PATH": ""}
        )
        answer = json.loads(done.stdout)
        outputs.append([(hit["id"], hit["score"]) for hit in answer["hits"]])
    assert outputs[0] == outputs[1]
