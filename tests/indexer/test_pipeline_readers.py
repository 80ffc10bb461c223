"""Readers while a writer publishes: each sees exactly one generation, and a second writer is refused at once."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from indexer.errors import IndexBusy
from indexer.index import Index, writing

_ROOT = Path(__file__).resolve().parents[2]
_PUBLISHES = 30
_READER = """
import json, sys
sys.path[:0] = sys.argv[2:]
import index_states as states
from pathlib import Path
from indexer.index import Index
index, seen = Index.open(Path(sys.argv[1])), []
sys.stdout.write("ready\\n")
sys.stdout.flush()
while not (Path(sys.argv[1]) / "stop").exists():
    with index.view() as view:
        states.check_view(view)
        seen.append(view.manifest.generation)
sys.stdout.write(json.dumps(seen))
"""


def _read(index, stop, seen, failures, states):
    try:
        while not stop.is_set():
            with index.view() as view:
                states.check_view(view)
                seen.append(view.manifest.generation)
    except BaseException as error:  # noqa: BLE001 - the test's thread raises it
        failures.append(error)
    finally:
        index.close()


def test_each_view_is_of_one_generation_while_thirty_are_published(tmp_path, quick):
    tree, folder, chance = tmp_path / "tree", tmp_path / "index", quick.chances(3)
    quick.change(tree, chance)
    quick.update(folder, [quick.folder_source(tree)], quick.CountingEncoder())
    index, stop, seen, failures = Index.open(folder), threading.Event(), [], []
    threads = [threading.Thread(target=_read, args=(index, stop, seen, failures, quick)) for _ in range(3)]
    paths = [str(_ROOT), str(_ROOT / "tests"), str(_ROOT / "tests" / "indexer")]
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(folder), *paths], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert reader.stdout.readline() == "ready\n", reader.stderr.read()
    for thread in threads:
        thread.start()
    published = set()
    while len(published) < _PUBLISHES:
        quick.change(tree, chance)
        quick.update(
            folder,
            [quick.folder_source(tree)],
            quick.CountingEncoder(),
            lambda manifest: published.add(manifest.generation),
        )
    stop.set()
    (folder / "stop").touch()
    for thread in threads:
        thread.join()
    said, errors = reader.communicate()
    assert failures == []
    assert reader.returncode == 0, errors
    assert len(set(seen)) > 3
    assert len(set(json.loads(said))) > 3
    index.close()


def test_a_second_writer_is_refused_within_a_second(tmp_path, quick):
    folder = tmp_path / "index"
    with writing(folder, quick.settings(folder), quick.CountingEncoder()):
        started = time.monotonic()
        with (
            pytest.raises(IndexBusy, match="another process"),
            writing(folder, quick.settings(folder), quick.CountingEncoder()),
        ):
            pytest.fail("two writers")
        assert time.monotonic() - started < 1
    with writing(folder, quick.settings(folder), quick.CountingEncoder()):
        pass


def test_a_view_inside_a_view_is_the_same_generation(tmp_path, quick):
    tree, folder = tmp_path / "tree", tmp_path / "index"
    quick.change(tree, quick.chances(4))
    quick.update(folder, [quick.folder_source(tree)], quick.CountingEncoder())
    index = Index.open(folder)
    with index.view() as outer:
        quick.change(tree, quick.chances(5))
        quick.update(folder, [quick.folder_source(tree)], quick.CountingEncoder())
        with index.view() as inner:
            assert inner.manifest == outer.manifest
            quick.check_view(inner)
    with index.view() as later:
        assert later.manifest.generation > outer.manifest.generation
    index.close()
