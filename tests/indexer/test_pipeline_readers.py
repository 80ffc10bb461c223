"""Readers while a writer publishes: each sees exactly one generation, and a second writer is refused at once."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from indexer.errors import IndexBusy
from indexer.index import writing

_ROOT = Path(__file__).resolve().parents[2]
_PUBLISHES = 30
_READER = """
import json, sys
sys.path[:0] = sys.argv[2:]
import index_states as states
from pathlib import Path
states.CHOSEN = json.loads(sys.stdin.readline())
index, seen = states.opened(Path(sys.argv[1])), []
sys.stdout.write("ready\\n")
sys.stdout.flush()
while not (Path(sys.argv[1]).parent / "stop").exists():
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


def test_each_view_is_of_one_generation_while_thirty_are_published(tmp_path, everywhere):
    tree, folder, chance = tmp_path / "tree", tmp_path / "index", everywhere.chances(3)
    everywhere.change(tree, chance)
    everywhere.update(folder, [everywhere.folder_source(tree)], everywhere.CountingEncoder())
    index, stop, seen, failures = everywhere.opened(folder), threading.Event(), [], []
    threads = [threading.Thread(target=_read, args=(index, stop, seen, failures, everywhere)) for _ in range(3)]
    paths = [str(_ROOT), str(_ROOT / "tests"), str(_ROOT / "tests" / "indexer")]
    reader = subprocess.Popen(
        [sys.executable, "-c", _READER, str(folder), *paths],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    reader.stdin.write(json.dumps(everywhere.CHOSEN) + "\n")
    reader.stdin.flush()
    assert reader.stdout.readline() == "ready\n", reader.stderr.read()
    for thread in threads:
        thread.start()
    published = set()
    while len(published) < _PUBLISHES:
        everywhere.change(tree, chance)
        everywhere.update(
            folder,
            [everywhere.folder_source(tree)],
            everywhere.CountingEncoder(),
            lambda manifest: published.add(manifest.generation),
        )
    stop.set()
    (tmp_path / "stop").touch()
    for thread in threads:
        thread.join()
    said, errors = reader.communicate()
    assert failures == []
    assert reader.returncode == 0, errors
    assert len(set(seen)) > 3
    assert len(set(json.loads(said))) > 3
    index.close()


def test_a_second_writer_is_refused_within_a_second(tmp_path, everywhere):
    folder = tmp_path / "index"
    with writing(folder, everywhere.settings(folder), everywhere.CountingEncoder()):
        started = time.monotonic()
        with (
            pytest.raises(IndexBusy, match="another process"),
            writing(folder, everywhere.settings(folder), everywhere.CountingEncoder()),
        ):
            pytest.fail("two writers")
        assert time.monotonic() - started < 1
    with writing(folder, everywhere.settings(folder), everywhere.CountingEncoder()):
        pass


def test_a_view_inside_a_view_is_the_same_generation(tmp_path, everywhere):
    tree, folder = tmp_path / "tree", tmp_path / "index"
    everywhere.change(tree, everywhere.chances(4))
    everywhere.update(folder, [everywhere.folder_source(tree)], everywhere.CountingEncoder())
    index = everywhere.opened(folder)
    with index.view() as outer:
        everywhere.change(tree, everywhere.chances(5))
        everywhere.update(folder, [everywhere.folder_source(tree)], everywhere.CountingEncoder())
        with index.view() as inner:
            assert inner.manifest == outer.manifest
            everywhere.check_view(inner)
    with index.view() as later:
        assert later.manifest.generation > outer.manifest.generation
    index.close()
