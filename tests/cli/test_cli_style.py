"""`fathom style`: what it refuses, with which exit code, and what it prints."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from cli.main import run
from indexer.style.snippets import LONGEST

LEFT = "def f(count, item):\n    return add(count, item)\n"
RIGHT = "def f(counts):\n    return adds(counts)\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(LEFT)
    (tmp_path / "b.py").write_text(RIGHT)
    return tmp_path


def style(*arguments):
    return run(["style", *map(str, arguments)])


def refused(capsys, *arguments):
    """Return what is said of a wrong use."""
    assert style(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def piped(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def test_a_file_that_is_not_there(folder, capsys):
    assert "no.py" in refused(capsys, "a.py", "no.py")
    assert "is a directory" in refused(capsys, folder, "a.py")
    assert "Missing argument" in refused(capsys, "a.py")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "bad.py is empty: 0 bytes"),
        (b" \n", "bad.py is empty: white space only"),
        (b"x = 1\0", "bad.py is binary: it holds NUL bytes"),
        (bytes(range(1, 32)), "bad.py is binary: it holds control bytes"),
        (b"# nothing\n", "bad.py: the text holds no code"),
        (b"x\n" * LONGEST, "bad.py: the text has more than 200,000 characters"),
        ("ñ = 1\n".encode() * LONGEST, "bad.py: the text has more than 200,000 characters"),
    ],
)
def test_a_file_without_code(folder, capsys, content, said):
    (folder / "bad.py").write_bytes(content)
    assert said in refused(capsys, "a.py", "bad.py")
    assert said in refused(capsys, "--json", "bad.py", "a.py")


def test_languages_that_cannot_be(folder, capsys):
    (folder / "a.java").write_text("class A {}")
    (folder / "a.txt").write_text(LEFT)
    (folder / "a.md").write_text("# Title\n")
    assert "python and java have no grammar in common" in refused(capsys, "a.py", "a.java")
    assert "nothing tells the language of a.txt; name it with --language" in refused(capsys, "a.py", "a.txt")
    assert "'klingon'; there are python, " in refused(capsys, "--language", "klingon", "a.py", "b.py")
    assert "markdown is no programming language" in refused(capsys, "a.md", "a.md")
    assert "psychic" in refused(capsys, "--variant", "psychic", "a.py", "b.py")
    assert style("--language", "py", "a.py", "a.txt") == 0


def test_standard_input_is_one_side(folder, capsys, monkeypatch):
    assert "only one of the two" in refused(capsys, "-", "-")
    piped(monkeypatch, LEFT.encode())
    assert style("-", "b.py", "--json") == 0
    streamed = capsys.readouterr().out
    assert style("a.py", "b.py", "--json") == 0
    assert capsys.readouterr().out == streamed
    piped(monkeypatch, b"")
    assert "- is empty" in refused(capsys, "a.py", "-")
    piped(monkeypatch, b"#!/usr/bin/env ruby\nx = 1\n")
    assert "python and ruby" in refused(capsys, "a.py", "-")


def test_an_index_that_is_not_there(folder, capsys):
    assert style("--index", "nowhere", "a.py", "b.py") == 3
    assert "no index at nowhere" in capsys.readouterr().err


def test_what_does_not_parse_is_said(folder, capsys):
    (folder / "bad.py").write_text("x = 1\ndef f(:\n")
    assert style("a.py", "bad.py") == 0
    assert "note: the second text does not parse at line 2" in capsys.readouterr().err
    assert style("-q", "a.py", "bad.py") == 0
    assert capsys.readouterr().err == ""
    assert style("--json", "bad.py", "a.py") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["notes"][0].startswith("the first text does not parse at line 2")
    assert said.err == ""


def test_the_similarity_and_its_parts(folder, capsys):
    assert style("a.py", "b.py") == 0
    said = capsys.readouterr()
    assert said.out == "similarity  0.740\nvariables   0.625\napis        0.750\ntree        0.846\n"
    assert said.err == ""
    assert style("a.py", "a.py") == 0
    assert "similarity  1.000" in capsys.readouterr().out


def test_json_is_the_whole_of_standard_output(folder, capfd):
    assert style("--json", "--variant", "released", "a.py", "b.py") == 0
    said = capfd.readouterr()
    found = json.loads(said.out)
    assert list(found) == ["similarity", "variables", "apis", "tree", "notes", "language", "variant"]
    assert found["variables"] == pytest.approx(5 / 12)
    assert (found["notes"], found["language"], found["variant"]) == ([], "python", "released")
    assert said.err == ""


def test_a_part_that_is_left_out(folder, capsys):
    (folder / "c.py").write_text("pass\n")
    assert style("--variant", "released", "c.py", "a.py") == 0
    assert "variables   left out\napis        left out\n" in capsys.readouterr().out
    assert style("--variant", "released", "--json", "c.py", "a.py") == 0
    assert json.loads(capsys.readouterr().out)["variables"] is None


def test_a_language_and_its_superset(folder, capsys):
    (folder / "a.js").write_text("const f = (x) => g(x);\n")
    (folder / "a.ts").write_text("const f = (x) => g(x);\n")
    assert style("--json", "a.js", "a.ts") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["similarity"], found["language"]) == (1, "typescript")


def test_an_index_weighs_rare_names_more(folder, capsys):
    source = folder / "source"
    source.mkdir()
    # "item" is everywhere, "count" nowhere.
    for number in range(6):
        (source / f"m{number}.py").write_text(f"def g{number}(item):\n    return item * {number}\n")
    assert run(["index", "-q", "--no-vectors", "--index", "index", "source"]) == 0
    capsys.readouterr()
    parts = []
    for options in ((), ("--index", "index")):
        assert style("--json", *options, "a.py", "b.py") == 0
        parts.append(json.loads(capsys.readouterr().out)["variables"])
    assert parts[0] == pytest.approx(0.625)
    assert parts[1] > parts[0]
