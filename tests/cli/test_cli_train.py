"""`fathom train` at the terminal: wrong use, then what it writes and says."""

import gzip
import json
import zipfile

import pytest

from cli.main import run
from indexer.training import packages

ADD = 'def add(first, second):\n    """Add two numbers together."""\n    total = first + second\n    return total\n'


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.delenv("FATHOM_DATA", raising=False)
    folder = tmp_path / "data"
    for name in ("cosqa-dev", "java-csharp-dev", "mbpp-recorded"):
        (folder / name).mkdir(parents=True)
        for file in ("corpus.jsonl", "queries.jsonl"):
            (folder / name / file).write_text('{"_id": "1", "text": "sort a list"}\n')
    (folder / "left-out.txt").write_text("python: flask\n")
    return folder


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """A list of two packages of a local registry."""

    def download(order):
        path = order.scratch / "archive"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.py", ADD.replace("add", order.wanted.package).replace("numbers", order.wanted.package))
        return path

    local = packages.Registry(download, lambda wanted, path, choose: packages.read_zip(path, choose=choose))
    monkeypatch.setitem(packages.REGISTRIES, "pypi", local)
    path = tmp_path / "packages.json"
    common = {"registry": "pypi", "version": "1.0", "licence": "MIT", "languages": ["python"]}
    path.write_text(json.dumps([{"package": "pipes"} | common, {"package": "shapes", "held_out": True} | common]))
    return path


def fathom(*arguments):
    return run(["train", "mine", *map(str, arguments)])


def test_without_evaluation_sets_nothing_is_mined(data, listed, tmp_path, capsys):
    assert fathom("--packages", listed, "--target", tmp_path / "train") == 2
    assert "FATHOM_DATA" in capsys.readouterr().err
    assert not (tmp_path / "train").exists()


def test_a_folder_without_evaluation_sets_is_said(listed, tmp_path, capsys):
    assert fathom("--packages", listed, "--data", tmp_path / "nothing") == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", "[{}]"])
def test_a_bad_list_is_said(data, tmp_path, capsys, text):
    (tmp_path / "bad.json").write_text(text)
    assert fathom("--packages", tmp_path / "bad.json", "--data", data, "--target", tmp_path / "train") == 2
    assert "bad.json" in capsys.readouterr().err


def test_a_left_out_package_is_refused(data, listed, tmp_path, capsys):
    listed.write_text(listed.read_text().replace("pipes", "Flask-Login"))
    assert fathom("--packages", listed, "--data", data, "--target", tmp_path / "train") == 2
    assert "flask" in capsys.readouterr().err


def test_mining_writes_the_set_and_says_it(data, listed, tmp_path, capsys):
    target = tmp_path / "train"
    command = ("--packages", listed, "--data", data, "--target", target, "--processes", 1)
    assert fathom(*command) == 0
    assert "1 pairs to train on and 1 held out" in capsys.readouterr().out
    with gzip.open(target / "train.jsonl.gz", "rt") as file:
        lines = [json.loads(line) for line in file]
    assert lines == [
        {
            "query": "Add two pipes together.",
            "code": "def pipes(first, second):\n    total = first + second\n    return total",
            "language": "python",
            "source": "pypi:pipes@1.0",
            "path": "a.py",
            "symbol": "pipes",
            "kind": "function",
        }
    ]
    assert fathom(*command, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"train": {"python": 1}, "held_out": {"python": 1}}
