"""A watched folder: what is saved is found, what is deleted is gone, and nobody's burst is many generations."""

import os
import subprocess
import threading
import time

import pytest

from indexer import watch as watching
from indexer.errors import IndexMissing, UsageError
from indexer.index import Index
from indexer.settings import Settings
from indexer.sources.factory import open_source
from indexer.store.lock import writer_lock
from indexer.watch import watch
from indexer.watch_status import watchers
from search.engine import Engine
from tests.stub_encoder import StubEncoder

# A slow machine may take so long until something is seen; the tests go on as soon as it is.
PATIENCE = 30


class Watched:
    """A watcher in a thread of its own, and the index that it writes."""

    def __init__(self, folder, tree, encoder=None, **options):
        self.folder, self.tree, self.done = folder, tree, []
        self._stop = threading.Event()
        source = open_source(str(tree), cache=folder / "cache")
        told = watch(folder, [source], Settings(processes=1), encoder or StubEncoder(), stop=self._stop, **options)
        self._thread = threading.Thread(target=lambda: self.done.extend(told))
        self._thread.start()

    def until(self, wanted):
        last = time.monotonic() + PATIENCE
        while not wanted():
            assert self._thread.is_alive()
            assert time.monotonic() < last, "not seen in time"
            time.sleep(0.05)

    def finds(self, word):
        try:
            index = Index.open(self.folder)
        except IndexMissing:
            return False
        hits = Engine(index, StubEncoder()).search(word, mode="lexical").hits
        index.close()
        return [hit.path for hit in hits]

    def generation(self):
        index = Index.open(self.folder)
        with index.view() as view:
            number = view.manifest.generation
        index.close()
        return number

    def state(self):
        return [(each.state, each.changed) for each in watchers(self.folder)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(watching, "_IDLE_SECONDS", 0.2)


@pytest.fixture
def watched(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "first.py").write_text("def zebra():\n    return 1\n")
    found = Watched(tmp_path / "index", tree)
    found.until(lambda: found.finds("zebra"))
    yield found
    found.stop()


def test_only_folders_are_watched(tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"_id": "a", "text": "def f(): pass"}\n')
    source = open_source(str(corpus), cache=tmp_path / "cache")
    with pytest.raises(UsageError, match="only folders"):
        next(watch(tmp_path / "index", [source], Settings(), StubEncoder()))


def test_what_is_saved_renamed_and_deleted_is_seen(watched):
    (watched.tree / "second.py").write_text("def giraffe():\n    return 2\n")
    watched.until(lambda: watched.finds("giraffe") == ["second.py"])
    (watched.tree / "second.py").write_text("def okapi():\n    return 2\n")
    watched.until(lambda: watched.finds("okapi") == ["second.py"] and not watched.finds("giraffe"))
    (watched.tree / "second.py").rename(watched.tree / "third.py")
    watched.until(lambda: watched.finds("okapi") == ["third.py"])
    (watched.tree / "third.py").unlink()
    watched.until(lambda: not watched.finds("okapi"))
    assert watched.finds("zebra") == ["first.py"]


def test_a_burst_is_one_refresh(watched):
    before = watched.generation()
    for number in range(60):
        (watched.tree / f"f{number}.py").write_text(f"def burst{number}():\n    return {number}\n")
    watched.until(lambda: watched.finds("burst59"))
    time.sleep(1.5)
    assert watched.generation() - before <= 4, "one or two refreshes, each BM25 and vectors"


def test_in_the_end_all_is_deep(watched):
    depths = StubEncoder().depths
    watched.until(lambda: _depths(watched.folder) == {depths[-1]})


def test_another_writer_is_waited_for(watched):
    watched.until(lambda: _depths(watched.folder) == {StubEncoder().depths[-1]})
    time.sleep(0.5)  # the last deepening frees its lock
    with writer_lock(watched.folder):
        (watched.tree / "late.py").write_text("def tapir():\n    return 3\n")
        time.sleep(1.5)
        assert not watched.finds("tapir")
    watched.until(lambda: watched.finds("tapir") == ["late.py"])


def test_files_of_version_control_and_of_the_index_are_no_change(tmp_path):
    tree = tmp_path / "tree"
    (tree / ".git").mkdir(parents=True)
    (tree / "first.py").write_text("def zebra():\n    return 1\n")
    found = Watched(tree / "index", tree)
    found.until(lambda: found.finds("zebra"))
    (tree / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    time.sleep(1.5)
    found.stop()
    assert len(found.done) == 1


def test_a_branch_switch_is_one_publish(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    _git(tree, "init", "--quiet", "--initial-branch=main")
    for branch in ("main", "other"):
        if branch == "other":
            _git(tree, "switch", "--quiet", "--create", branch)
        for number in range(250):
            (tree / f"f{number}.py").write_text(f"def {branch}branch{number}():\n    return '{branch}branch'\n")
        _git(tree, "add", ".")
        _git(tree, "commit", "--quiet", "--message", branch)
    with Watched(tmp_path / "index", tree, deepening=False) as found:
        found.until(lambda: found.state() == [("watching", 0)])
        seen = {_units(found.folder)}
        _git(tree, "switch", "--quiet", "main")
        found.until(lambda: (250, 0) in seen or seen.add(_units(found.folder)))
        found.until(lambda: seen.add(_units(found.folder)) or found.state() == [("watching", 0)])
    assert seen == {(0, 250), (250, 0)}, "no generation holds half a branch"
    assert len(found.done) == 2


def test_what_git_is_changing_is_left_alone_until_it_is_done(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "first.py").write_text("def zebra():\n    return 1\n")
    _git(tree, "init", "--quiet")
    with Watched(tmp_path / "index", tree, deepening=False) as found:
        found.until(lambda: found.state() == [("watching", 0)])
        (tree / ".git" / "index.lock").touch()
        (tree / "late.py").write_text("def tapir():\n    return 3\n")
        found.until(lambda: found.state() == [("refreshing", 1)])
        time.sleep(1)
        assert not found.finds("tapir")
        assert "git" in watchers(found.folder)[0].message
        os.utime(tree / ".git" / "index.lock", (0, 0))  # left behind long ago
        found.until(lambda: found.finds("tapir"))


def test_what_it_does_can_be_read_meanwhile(watched):
    watched.until(lambda: watched.state() == [("watching", 0)])
    with writer_lock(watched.folder):
        (watched.tree / "late.py").write_text("def tapir():\n    return 3\n")
        (watched.tree / "later.py").write_text("def tapir2():\n    return 3\n")
        watched.until(lambda: watched.state() == [("refreshing", 2)])
        watched.until(lambda: "another process" in watchers(watched.folder)[0].message)
    watched.until(lambda: watched.state() == [("watching", 0)])


def test_a_file_that_is_saved_does_not_wait_for_deepening(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(400):
        (tree / f"f{number}.py").write_text(f"def zebra{number}():\n    return {number}\n")

    class Slow(StubEncoder):
        def encode(self, token_ids, depth):
            time.sleep(0.02 * len(token_ids) if depth else 0)
            return super().encode(token_ids, depth)

    with Watched(tmp_path / "index", tree, encoder=Slow()) as found:
        found.until(lambda: [state for state, _ in found.state()] == ["deepening"])
        (tree / "late.py").write_text("def tapir():\n    return 3\n")
        found.until(lambda: found.finds("tapir"))
        assert 0 in _depths(found.folder), "found before all is deep"


def test_a_watcher_that_fails_says_why(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    source = open_source(str(tree), cache=tmp_path / "cache")
    with pytest.raises(UsageError, match="no exit"):
        next(watch(tmp_path / "index", [source], Settings(depth=5), StubEncoder()))
    failed = watchers(tmp_path / "index")[0]
    assert failed.state == "failed"
    assert "no exit" in failed.message


def _git(tree, *arguments):
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=tree, check=True)


def _units(folder):
    """Return how many units of each branch the newest generation holds."""
    index = Index.open(folder)
    with index.view() as view:
        counts = tuple(len(view.lexical.search({word: 1.0}, 1000).keys) for word in ("mainbranch", "otherbranch"))
    index.close()
    return counts


def _depths(folder):
    index = Index.open(folder)
    with index.view() as view:
        depths = {entry.depth for entry in view.manifest.segments}
    index.close()
    return depths
