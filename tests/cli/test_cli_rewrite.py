"""`fathom rewrite` at the terminal: what it takes is said first, wrong use, and a process that is killed half-way."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from cli.main import run
from indexer.store.lock import writer_lock

UNITS = 40


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index of words alone; no generator is set."""
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "cache"))
    for name in ("GENERATOR_URL", "GENERATOR_MODEL", "GENERATOR_KEY", "PRICE_IN", "PRICE_OUT"):
        monkeypatch.delenv(f"FATHOM_{name}", raising=False)
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(UNITS):
        (tree / f"f{number}.py").write_text(f"def peak{number}(values):\n    return max(values) + {number}\n")
    assert run(["index", "-q", "--no-vectors", "--index", str(tmp_path / "index"), str(tree)]) == 0
    return tmp_path / "index"


@pytest.fixture
def fathom(index, capsys, monkeypatch):
    """Run `fathom rewrite`, with a generator where one is given; return its exit code, output and errors."""

    def command(*arguments, server=None):
        if server is not None:
            monkeypatch.setenv("FATHOM_GENERATOR_URL", server.url)
            monkeypatch.setenv("FATHOM_GENERATOR_MODEL", "tiny")
        capsys.readouterr()
        code = run(["rewrite", "--index", str(index), *arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return command


def _kept(index):
    with sqlite3.connect(index / "store.sqlite3") as connection:
        return connection.execute("SELECT count(*) FROM rewritings").fetchone()[0]


# wrong use


def test_no_index_no_generator_and_no_such_source(tmp_path, index, fathom, serve, plays):
    assert run(["rewrite", "--index", str(tmp_path / "nowhere")]) == 3
    code, out, err = fathom("--yes")
    assert (code, out) == (2, "")
    assert "FATHOM_GENERATOR_URL and FATHOM_GENERATOR_MODEL" in err
    server = serve(plays.writes)
    code, _, err = fathom("--yes", "nosuch", server=server)
    assert (code, "no source 'nosuch'; it has tree" in err) == (2, True)
    assert server.seen == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "-1"], "-1"),
        (["--limit", "few"], "few"),
        (["--generator", "magic"], "unknown generator 'magic'; choose recorded, endpoint, local"),
        (["--generator", "recorded"], "write recorded:FOLDER"),
        (["--generator", "recorded:/nowhere"], "holds no recorded generations"),
    ],
)
def test_wrong_options(fathom, arguments, said):
    code, out, err = fathom("--yes", *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_nobody_to_ask_is_wrong_use(fathom, serve, plays):
    server = serve(plays.writes)
    code, _, err = fathom(server=server)
    assert (code, "--yes" in err) == (2, True)
    assert server.seen == []


def test_a_wrong_price_is_wrong_use(fathom, serve, plays, monkeypatch):
    monkeypatch.setenv("FATHOM_PRICE_IN", "cheap")
    code, _, err = fathom("--dry-run", server=serve(plays.writes))
    assert (code, "price_in" in err) == (2, True)


# what it takes


def test_a_dry_run_sends_nothing_and_says_what_is_not_known(fathom, serve, plays, monkeypatch):
    server = serve(plays.writes)
    code, out, err = fathom("--dry-run", server=server)
    assert (code, out, server.seen) == (0, "", [])
    assert f"{UNITS} units to write for, by tiny (prompts 2): about" in err
    assert f"their code is sent to {server.url}" in err
    assert "cost" not in err
    assert "how long it takes is not known" in err
    monkeypatch.setenv("FATHOM_PRICE_IN", "1000")
    monkeypatch.setenv("FATHOM_PRICE_OUT", "2000")
    code, out, err = fathom("--dry-run", "--json", server=server)
    found = json.loads(out)
    assert code == 0
    assert found["cost"] == pytest.approx((found["tokens_in"] + 2 * found["tokens_out"]) / 1000)
    assert "at a cost of" in err


def test_it_is_written_found_and_done(fathom, index, serve, plays, monkeypatch, capsys):
    monkeypatch.setenv("FATHOM_PRICE_IN", "1")
    monkeypatch.setenv("FATHOM_PRICE_OUT", "10")
    server = serve(plays.writes)
    code, out, err = fathom("--yes", "--json", server=server)
    found = json.loads(out)
    assert code == 0
    assert (found["written"], found["tokens_in"], found["tokens_out"]) == (UNITS, 200 * UNITS, 20 * UNITS)
    assert found["cost"] == pytest.approx(400 * UNITS / 1e6)
    assert "all will take about" in err
    assert run(["search", "--mode", "lexical", "--json", "--index", str(index), "purrs peak7"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["purpose"] == "Purrs at whatever is named peak7."
    code, _, err = fathom("--yes", server=server)
    assert (code, len(server.seen)) == (0, 2 * UNITS)
    assert "tiny (prompts 2) has written for all units that are worth it" in err
    assert run(["check", "--index", str(index)]) == 0


def test_a_budget_of_0_asks_nothing_and_says_so(fathom, serve, plays):
    server = serve(plays.writes)
    code, _, err = fathom("--budget", "0", server=server)
    assert (code, server.seen) == (0, [])
    assert "stopped: a budget of 0 tokens: nothing was asked" in err


def test_a_limit_and_failures_are_said(fathom, serve, plays):
    code, _, err = fathom("--yes", "--limit", "3", server=serve(plays.says(""), plays.writes))
    assert code == 0
    assert "2 written" in err
    assert "failed: 1 nothing usable was written; the next run asks for them again" in err
    assert "stopped: the limit of 3 texts is reached" in err
    assert fathom("-q", "--yes", "--limit", "1", server=serve(plays.writes)) == (0, "", "")


def test_a_dead_server_is_exit_code_5(fathom, serve, plays):
    code, out, err = fathom("--yes", server=serve(plays.fault(401, "who are you?")))
    assert (code, out) == (5, "")
    assert "stopped: 8 texts in a row failed" in err
    assert "who are you?" in err
    code, out, _ = fathom("--yes", "--json")
    assert (code, "who are you?" in json.loads(out)["fault"]) == (5, True)


def test_what_is_written_can_be_recorded_and_replayed(fathom, index, tmp_path, serve, plays):
    server, folder = serve(plays.writes), tmp_path / "recorded"
    assert fathom("--yes", "--limit", "5", "--generator", f"endpoint:{folder}", server=server)[0] == 0
    assert len((folder / "rewritten.jsonl").read_text().splitlines()) == 10
    asked = len(server.seen)
    code, _, err = fathom("--generator", f"recorded:{folder}")
    assert code == 0
    assert "5 written" in err
    assert f"failed: {UNITS - 5} not recorded" in err
    assert len(server.seen) == asked


# processes


def _process(index, server, *arguments):
    command = [sys.executable, "-W", "error", "-m", "cli.main", "rewrite", "--yes", "--index", str(index), *arguments]
    environment = {**os.environ, "FATHOM_GENERATOR_URL": server.url, "FATHOM_GENERATOR_MODEL": "tiny"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def _wait_for(condition, seconds=40):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_was_kept_survives_and_is_not_asked_for_again(fathom, index, serve, plays, capsys, how):
    server = serve(plays.sleeps(0.2, plays.writes))
    process = _process(index, server)
    _wait_for(lambda: _kept(index) >= 8)
    process.send_signal(how)
    _, err = process.communicate(timeout=20)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in err
    kept = _kept(index)
    assert 8 <= kept < UNITS
    assert run(["check", "--index", str(index)]) == 0
    before = len(server.seen)
    code, _, err = fathom("--yes", server=server)
    assert (code, f"{UNITS - kept} written" in err) == (0, True)
    assert len(server.seen) - before == 2 * (UNITS - kept)
    assert _kept(index) == UNITS
    assert run(["search", "--mode", "lexical", "--json", "--index", str(index), "-k", "100", "purrs"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == UNITS


def test_indexing_goes_on_meanwhile(index, tmp_path, serve, plays):
    process = _process(index, serve(plays.sleeps(0.2, plays.writes)))
    _wait_for(lambda: _kept(index) >= 8)
    (tmp_path / "tree" / "f0.py").write_text("def lizard(values):\n    return min(values) + len(values)\n")
    assert run(["index", "-q", "--no-vectors", "--index", str(index), str(tmp_path / "tree")]) == 0
    _, err = process.communicate(timeout=40)
    assert process.returncode == 0
    assert re.search(r"(39|40|41) written", err)  # what came meanwhile, too, if it came before the end
    assert run(["check", "--index", str(index)]) == 0


def test_a_writer_that_stays_does_not_lose_what_was_paid_for(index, serve, plays):
    with writer_lock(index):
        process = _process(index, serve(plays.writes), "--limit", "6")
        time.sleep(3)
        assert process.poll() is None
        assert _kept(index) == 0
    _, err = process.communicate(timeout=40)
    assert (process.returncode, "6 written" in err) == (0, True)
    assert _kept(index) == 6
