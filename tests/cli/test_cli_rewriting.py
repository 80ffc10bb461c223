"""`fathom search --rewrite-ms`: wrong use, failures on standard error, and code that two processes share."""

import json
import os
import socket
import subprocess
import sys

import pytest

from cli.main import run

QUERY = "biggest number"


@pytest.fixture
def search(tmp_path, monkeypatch):
    """Return what searches an index of words alone with a generator at an address."""
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "cache"))
    for name in ("URL", "MODEL", "KEY"):
        monkeypatch.delenv(f"FATHOM_GENERATOR_{name}", raising=False)
    (tmp_path / "code.py").write_text("def peak(values):\n    return max(values)\n")
    place = ["--index", str(tmp_path / "index")]
    assert run(["index", "-q", "--no-vectors", *place, str(tmp_path / "code.py")]) == 0

    def searched(*options, url=""):
        if url:
            monkeypatch.setenv("FATHOM_GENERATOR_URL", url)
            monkeypatch.setenv("FATHOM_GENERATOR_MODEL", "tiny")
        return ["search", "--mode", "lexical", *place, *options, QUERY]

    return searched


@pytest.mark.parametrize("ms", ["-1", "60001", "soon", "1.5"])
def test_a_time_that_cannot_be_is_wrong_use(search, ms, capsys):
    assert run(search(f"--rewrite-ms={ms}")) == 2
    assert ms in capsys.readouterr().err


def test_without_a_generator_it_is_wrong_use(search, capsys):
    assert run(search("--rewrite-ms", "50")) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "FATHOM_GENERATOR_URL and FATHOM_GENERATOR_MODEL" in said.err
    assert run(search("--rewrite-ms", "0")) == 1


def test_a_dead_generator_is_said_and_the_query_is_asked(search, capsys):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        assert run(search("--json", "--rewrite-ms", "20000", url=url)) == 1
        said = capsys.readouterr()
        assert "cannot be reached" in json.loads(said.out)["notes"][0]
        assert url in said.err
        assert run(search("-q", "--rewrite-ms", "20000", url=url)) == 1
        assert capsys.readouterr().err == ""


def test_an_explanation_shows_the_code(search, serve, plays, capsys):
    assert run(search("--explain", "--rewrite-ms", "20000", url=serve(plays.good).url)) == 0
    out = capsys.readouterr().out
    assert "asked with code of tiny (prompts 2), which came after" in out
    assert "    def largest(values):" in out


def test_a_slow_generator_does_not_keep_the_process(search, serve, plays):
    url = serve(plays.sleeps(60, plays.good)).url
    done = _process(search("--json", "--rewrite-ms", "50", url=url))
    assert done.returncode == 1
    assert "takes longer than 50 ms" in json.loads(done.stdout)["notes"][0]


def test_two_processes_share_what_was_written(search, serve, plays):
    server = serve(plays.good)
    found = [json.loads(_process(search("--json", "--rewrite-ms", "20000", url=server.url)).stdout) for _ in range(2)]
    assert [answer["rewriting"]["cached"] for answer in found] == [False, True]
    assert [answer["hits"][0]["path"] for answer in found] == ["code.py", "code.py"]
    assert len(server.seen) == 1


def _process(arguments):
    command = [sys.executable, "-W", "error", "-m", "cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, env={**os.environ}, check=False)
    assert "Traceback" not in done.stderr
    return done
