"""Batches in several processes: the same answers in the same order, and what happens when a process dies."""

import json
import multiprocessing

import pytest

from indexer.errors import EnvironmentFailed, IndexMissing
from indexer.index import Index
from indexer.settings import Settings
from search import parallel
from search.service import Service


@pytest.fixture
def settings(tmp_path, monkeypatch):
    (tmp_path / "tree").mkdir()
    for name in ("read", "write", "parse", "send"):
        (tmp_path / "tree" / f"{name}.py").write_text(f"def {name}_file(path):\n    return {name}(path)\n")
    found = Settings(index=tmp_path / "index", cache=tmp_path / "cache", processes=2, depth=0)
    Index.build(found.index, [str(tmp_path / "tree")], settings=found)
    monkeypatch.setattr(parallel, "WORTH_IT", 6)
    monkeypatch.setattr(parallel, "BATCH", 3)
    return found


def lines(count):
    said = ("read a file", "send it", '"never ends', "path:write.py", "parse")
    return [json.dumps({"id": n, "query": said[n % len(said)], "k": 2}) for n in range(count)] + ["", "no query"]


def told(answers):
    return [{name: value for name, value in answer.items() if name != "took_ms"} for answer in answers]


def test_a_missing_index_is_one_error_at_once(tmp_path):
    with pytest.raises(IndexMissing):
        parallel.batch(Settings(index=tmp_path / "nothing", processes=2), lines(20))


@pytest.mark.parametrize("count", [0, 4, 5, 6, 40])
def test_processes_answer_as_one_does(settings, count):
    expected = told(Service(settings).batch(lines(count), {"rank": False}))
    assert told(parallel.batch(settings, lines(count), {"rank": False})) == expected
    assert len(expected) == count + 1
    assert told(parallel.batch(settings.model_copy(update={"processes": 1}), iter(lines(count)), {"rank": False})) == (
        expected
    )


def test_lines_are_read_as_they_are_needed(settings):
    read = []

    def endless():
        while True:
            read.append(1)
            yield '{"query": "read"}'

    answers = parallel.batch(settings, endless())
    for _ in range(10):
        assert "hits" in next(answers)
    assert len(read) < 60
    answers.close()
    assert not multiprocessing.active_children()


def test_a_killed_process_is_said(settings):
    answers = parallel.batch(settings, ('{"query": "read"}' for _ in range(100_000)))
    next(answers)
    for child in multiprocessing.active_children():
        child.kill()
    with pytest.raises(EnvironmentFailed, match="killed"):
        for _ in answers:
            pass
