"""`fathom batch`: what is wrong is said where it stands, and no half of an output is ever left."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import run
from indexer.index import Index
from indexer.settings import Settings
from search import service as service_module

CODE = "".join(f"def step_{n}(value):\n    return value + {n}\n\n\n" for n in range(12)) + (
    "def read_settings(path):\n    return path.read_text()\n"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory, stub_module):
    folder = tmp_path_factory.mktemp("cli-batch")
    (folder / "tree").mkdir()
    (folder / "tree" / "code.py").write_text(CODE)
    settings = Settings(index=folder / "index", processes=1)
    Index.build(settings.index, [str(folder / "tree")], settings=settings, encoder=stub_module.StubEncoder()).close()
    return settings.index


@pytest.fixture
def batch(built, tmp_path, stub_module, monkeypatch, capsysbinary):
    """Return a function that runs the command on some lines and returns the exit code, what it wrote and what it told."""
    monkeypatch.setattr(service_module, "load_encoder", lambda settings: stub_module.StubEncoder())

    def go(lines, *options, index=built):
        queries = tmp_path / "queries.jsonl"
        if isinstance(lines, bytes):
            queries.write_bytes(lines)
        else:
            queries.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
        capsysbinary.readouterr()
        code = run(["batch", "--index", str(index), *map(str, options), str(queries)])
        told = capsysbinary.readouterr()
        assert b"Traceback" not in told.err
        return code, told.out.decode(), told.err.decode()

    return go


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_broken_lines_get_an_error_in_their_place(batch):
    code, out, told = batch(
        [{"id": 7, "query": "read settings"}, "broken", "", {"id": "c", "query": "/(/"}, {"query": "step_3"}]
    )
    found = objects(out)
    assert code == 1
    assert [each["id"] for each in found] == [7, None, "c", None]
    assert [each.get("error", {}).get("code") for each in found] == [None, "invalid_request", "bad_query", None]
    assert found[0]["hits"][0]["symbol"] == "read_settings"
    assert told == "4 queries, 2 of them not answered\n"


@pytest.mark.parametrize("shape", ["trec", "beir"])
def test_runs_tell_errors_and_take_no_name_twice(batch, shape):
    lines = [{"id": "a", "query": "step"}, {"id": "a", "query": "read"}, "broken", {"id": "d", "query": "/(/"}]
    code, out, told = batch(lines, "--format", shape, "-q")
    assert code == 1
    assert [line.partition(":")[0] for line in told.splitlines()] == ["query a", "query 3", "query d"]
    assert "was there before" in told
    names = {line.split()[0] for line in out.splitlines()} if shape == "trec" else set(json.loads(out))
    assert names == ({"a"} if shape == "trec" else {"a", "3", "d"})


def test_many_errors_are_counted_not_all_told(batch):
    code, out, told = batch(["broken"] * 50, "--format", "trec")
    assert (code, out) == (1, "")
    assert len(told.splitlines()) == 11
    assert told.endswith("50 queries, 50 of them not answered\n")


@pytest.mark.parametrize(("shape", "expected"), [("jsonl", ""), ("trec", ""), ("beir", "{}\n")])
def test_an_empty_file_is_an_empty_run(batch, shape, expected):
    assert batch(b"\n \n", "--format", shape) == (0, expected, "0 queries, 0 of them not answered\n")


def test_a_line_without_end_is_an_error_and_the_next_is_read(batch):
    code, out, _ = batch(b'{"query": "' + b"x" * (5 << 20) + b'"}\n{"query": "step_3", "k": 1}')
    found = objects(out)
    assert code == 1
    assert "longer than" in found[0]["error"]["message"]
    assert found[1]["hits"][0]["symbol"] == "step_3"


def test_bytes_that_are_no_text(batch):
    code, out, _ = batch("a".encode("utf-16") + b'\n\x00\n{"query": "step_3"}\n')
    assert code == 1
    assert ["error" in each for each in objects(out)] == [True, True, False]


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (["-k", "0"], 2, "-k"),
        (["--budget", "0"], 2, "--budget"),
        (["--format", "csv"], 2, "csv"),
        (["--format", "trec", "--budget", "9"], 2, "no place"),
        (["-o", "."], 2, "directory"),
        (["-o", "no/such/folder/run"], 2, "no folder"),
        (["-o", "/dev/null/run"], 5, "cannot be written"),
    ],
)
def test_wrong_options(batch, options, code, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got, out, told = batch([{"query": "step"}], *options)
    assert (got, out) == (code, "")
    assert word in told


def test_queries_that_are_not_there(built, tmp_path, capsys):
    for wrong in (tmp_path / "none.jsonl", tmp_path):
        assert run(["batch", "--index", str(built), str(wrong)]) == 2
        assert str(wrong) in capsys.readouterr().err


def test_no_index(batch, tmp_path):
    code, out, told = batch([{"query": "step"}], "-o", tmp_path / "run", index=tmp_path / "none")
    assert (code, out) == (3, "")
    assert "none" in told
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere; run the tests as another user")
def test_a_folder_that_cannot_be_written_to(batch, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert batch([{"query": "step"}], "-o", closed / "run")[0] == 5


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_was_there_stays_when_writing_fails(batch, tmp_path, monkeypatch, error):
    target = tmp_path / "out" / "run"
    target.parent.mkdir()
    target.write_text("the last one")
    answers = service_module.batched

    def failing(*arguments):
        yield next(answers(*arguments))
        raise error

    monkeypatch.setattr(service_module, "batched", failing)
    assert batch([{"query": "step"}] * 3, "-o", target)[0] == (5 if isinstance(error, OSError) else 130)
    assert list(target.parent.iterdir()) == [target]
    assert target.read_text() == "the last one"


def test_an_output_is_whole_and_goes_where_a_link_leads(batch, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "link").symlink_to("run")
    assert batch([{"query": "step_3"}, "broken"], "-o", folder / "link", "--format", "trec")[0] == 1
    assert sorted(folder.iterdir()) == [folder / "link", folder / "run"]
    assert (folder / "link").is_symlink()
    assert (folder / "run").read_text().startswith("1 Q0 ")
    assert not stat.S_IMODE((folder / "run").stat().st_mode) & 0o111


def test_a_device_is_written_to_not_replaced(batch):
    before = Path("/dev/null").stat()
    assert batch([{"query": "step_3"}], "-o", "/dev/null")[0] == 0
    assert Path("/dev/null").stat().st_rdev == before.st_rdev


def test_options_are_for_lines_that_name_none(batch):
    lines = [{"query": "step value"}, {"query": "step value", "k": 1, "budget": 4_000, "neighbours": True}]
    first, second = objects(batch(lines, "-k", "2", "--budget", "90")[1])
    assert len(first["hits"]) == 2
    assert first["context"]["tokens"] <= 90
    assert first["context"]["left_out"]
    assert [len(second["hits"]), len(second["context"]["units"])] == [1, 2]
    assert "context" not in objects(batch(lines[:1])[1])[0]
    (wide,) = objects(batch([{"query": "step_3", "k": 1}], "--budget", "4000", "--neighbours")[1])
    assert len(wide["context"]["units"]) == 2


def test_beir_in_and_out(batch, tmp_path):
    lines = [{"_id": "q1", "text": "read settings", "metadata": {}}, {"_id": "q2", "text": "step_7"}]
    code, _, _ = batch(lines, "--format", "beir", "-k", "3", "-o", tmp_path / "results.json")
    results = json.loads((tmp_path / "results.json").read_text())
    assert code == 0
    assert list(results) == ["q1", "q2"]
    assert all(isinstance(score, float) for scores in results.values() for score in scores.values())
    assert len(results["q1"]) == 3


@pytest.mark.slow
def test_the_real_command_and_a_reader_that_goes_away(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "code.py").write_text(CODE)
    fathom = [sys.executable, "-m", "cli.main"]
    place = ["--index", str(tmp_path / "index")]
    subprocess.run([*fathom, "index", "-q", *place, str(tmp_path / "tree")], check=True, timeout=120)
    lines = b'{"query": "read settings", "k": 5}\n' * 600
    whole = subprocess.run([*fathom, "batch", *place, "-"], input=lines, capture_output=True, timeout=120)
    assert whole.returncode == 0
    assert objects(whole.stdout.decode())[0]["hits"][0]["symbol"] == "read_settings"
    reading = subprocess.Popen(
        [*fathom, "batch", *place, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    reading.stdin.write(lines)
    reading.stdin.close()
    reading.stdout.readline()
    reading.stdout.close()
    told = reading.stderr.read().decode()
    reading.stderr.close()
    assert reading.wait(timeout=60) == 0
    assert "Traceback" not in told
    assert "Exception" not in told
