"""`fathom serve`: what is wrong is said before anything is served; watching lives and dies with the server."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from cli.main import run
from indexer.errors import IndexBusy
from indexer.index import Index
from indexer.settings import Settings
from indexer.store.lock import writer_lock
from indexer.watch_status import watchers
from tests.stub_encoder import StubEncoder

pytest.importorskip("gunicorn", reason="the extra `web` is not installed: pip install 'fathom-search[web]'")

# A slow machine may take so long until something is seen; the tests go on as soon as it is.
PATIENCE = 60


def until(wanted):
    last = time.monotonic() + PATIENCE
    while not (found := wanted()):
        assert time.monotonic() < last, "not seen in time"
        time.sleep(0.05)
    return found


class Server:
    """A server in processes of its own."""

    def __init__(self, folder, *arguments):
        self.index = folder / "index"
        command = [sys.executable, "-m", "cli.main", "serve", "--index", self.index, "--port", "0", *arguments]
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(list(map(str, command)), stderr=log)
        self.address = until(lambda: re.search(r"http://\S+:\d+", self.log.read_text()))[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        until(self.unlocked)

    def get(self, path):
        try:
            with urllib.request.urlopen(self.address + path, timeout=PATIENCE) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def finds(self, word):
        status, text = self.get(f"/api/v1/search?mode=lexical&query={word}")
        return status == 200 and [hit["symbol"] for hit in json.loads(text)["hits"]] == [word]

    def watcher(self, *states):
        """Return the one watcher, once it is in one of these states."""
        until(lambda: [each.state for each in watchers(self.index)] in [[state] for state in states])
        return watchers(self.index)[0]

    def unlocked(self):
        if not self.index.exists():
            return True
        try:
            with writer_lock(self.index, brief=True):
                return True
        except IndexBusy:
            return False

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "first.py").write_text("def zebra():\n    return 1\n")
    return tmp_path / "tree"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--watch"], "--watch and folders go together"),
        (["tree"], "--watch and folders go together"),
        (["--watch", "nothing"], "there is nothing at"),
        (["--watch", "corpus.jsonl"], "only folders can"),
        (["--watch", "tree", "nothing"], "there is nothing at"),
        (["--watch", "tree@main"], "not a git repository"),
        (["--workers", "0"], "0 is not in the range"),
        (["--port", "65536"], "65536 is not in the range"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_served(tmp_path, tree, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a", "text": "def f(): pass"}\n')
    assert run(["serve", "--index", str(tmp_path / "index"), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "index").exists()


def test_without_an_index_and_without_watching_nothing_is_served(tmp_path, capsys):
    assert run(["serve", "--index", str(tmp_path / "index"), "--port", "0"]) == 3
    assert "there is no index" in capsys.readouterr().err


@pytest.mark.slow
def test_a_port_that_is_taken_is_said(tmp_path, tree):
    with Server(tmp_path, "--watch", tree) as server:
        port = server.address.rpartition(":")[2]
        command = [
            sys.executable,
            "-m",
            "cli.main",
            "serve",
            "--watch",
            tree,
            "--port",
            port,
            "--index",
            tmp_path / "i",
        ]
        second = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert second.returncode == 5
    assert "cannot be listened on" in second.stderr
    assert not (tmp_path / "i").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_index_is_made_served_and_kept_by_one_watcher(tmp_path, tree, number):
    with Server(tmp_path, "--watch", tree, "--workers", "2") as server:
        until(lambda: server.get("/healthz")[0] == 200)
        assert server.get("/readyz")[0] in (200, 503)
        until(lambda: server.get("/readyz")[0] == 200)
        until(lambda: server.finds("zebra"))
        (tree / "second.py").write_text("def giraffe():\n    return 2\n")
        until(lambda: server.finds("giraffe"))
        first = server.watcher("watching", "deepening")
        assert first.sources == ("tree",)
        assert "Up to date with tree" in until(lambda: server.get("/live")[1])
        assert server.end(number) == 0
        assert watchers(server.index) == ()
        assert server.unlocked()


@pytest.mark.slow
def test_when_the_server_is_killed_the_watcher_ends_even_while_it_writes(tmp_path, tree):
    for count in range(300):
        body = "".join(f"    value_{count}_{line} = open({line}).read()\n" for line in range(60))
        (tree / f"f{count}.py").write_text(f"def function_{count}():\n{body}")
    with Server(tmp_path, "--watch", tree) as server:
        server.watcher("deepening")
        until(lambda: not server.unlocked())
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
        until(server.unlocked)
        until(lambda: all(each.state == "gone" for each in watchers(server.index)))
        time.sleep(0.5)
        assert server.unlocked(), "nobody goes on"


@pytest.mark.slow
def test_when_the_watcher_is_killed_it_is_said_and_another_goes_on(tmp_path, tree):
    with Server(tmp_path, "--watch", tree) as server:
        first = server.watcher("watching")
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: watchers(server.index)[0].state == "gone")
        assert "nothing watches tree any more" in server.get("/")[1]
        assert server.finds("zebra")
        (tree / "second.py").write_text("def giraffe():\n    return 2\n")
        assert until(lambda: server.finds("giraffe"))
        assert server.watcher("watching").pid != first.pid
        assert "it begins again" in server.log.read_text()


@pytest.mark.slow
def test_a_watcher_that_fails_is_said_and_answers_go_on(tmp_path, tree):
    other = tmp_path / "other" / "tree"
    other.mkdir(parents=True)
    (other / "odd.py").write_text("def okapi():\n    return 1\n")
    with Server(tmp_path, "--watch", tree, other) as server:
        failed = server.watcher("failed")
        assert "another name" in failed.message
        status, text = server.get("/?q=zebra")
        assert status == 200
        assert "watching tree, tree failed" in text
        assert "another name" in text
        assert "another name" in server.log.read_text()


@pytest.mark.slow
def test_an_index_of_another_model_is_refused_at_once(tmp_path, tree):
    Index.build(tmp_path / "index", [str(tree)], settings=Settings(processes=1), encoder=StubEncoder())
    command = [sys.executable, "-m", "cli.main", "serve", "--watch", str(tree), "--index", str(tmp_path / "index")]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert refused.returncode == 3
    assert "another model" in refused.stderr


@pytest.mark.slow
def test_another_process_can_watch_and_is_seen(tmp_path, tree):
    command = [
        sys.executable,
        "-m",
        "cli.main",
        "index",
        "--watch",
        "-q",
        str(tree),
        "--index",
        str(tmp_path / "index"),
    ]
    with subprocess.Popen(command) as watching:
        until(lambda: watchers(tmp_path / "index"))
        with Server(tmp_path) as server:
            until(lambda: "Up to date with tree" in server.get("/live")[1])
            watching.terminate()
            assert watching.wait(PATIENCE) == 0
            assert server.get("/live")[1] == ""
