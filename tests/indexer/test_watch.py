"""A watched folder: what is saved is found, what is deleted is gone, and nobody's burst is many generations."""

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
from search.engine import Engine
from tests.stub_encoder import StubEncoder

# A slow machine may take so long until something is seen; the tests go on as soon as it is.
PATIENCE = 30


class Watched:
    """A watcher in a thread of its own, and the index that it writes."""

    def __init__(self, folder, tree, **options):
        self.folder, self.tree, self.done = folder, tree, []
        self._stop = threading.Event()
        source = open_source(str(tree), cache=folder / "cache")
        told = watch(folder, [source], Settings(processes=1), StubEncoder(), stop=self._stop, **options)
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

    def stop(self):
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(watching, "_IDLE_MS", 200)


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


def _depths(folder):
    index = Index.open(folder)
    with index.view() as view:
        depths = {entry.depth for entry in view.manifest.segments}
    index.close()
    return depths
