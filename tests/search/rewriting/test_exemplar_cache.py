"""The cache of exemplars: damaged, full, shared by processes, and what lies in it."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from indexer.errors import EnvironmentFailed
from search.rewriting.cache import FILE, Exemplars

_FILL = """
import sys
from pathlib import Path
from search.rewriting.cache import Exemplars
cache = Exemplars(Path(sys.argv[1]))
for number in range(100):
    cache.put(sys.argv[2], str(number), (f"text {number}",))
    assert cache.get(sys.argv[2], str(number)) in ((f"text {number}",), ())  # a miss where others write
"""


@pytest.fixture
def cache(tmp_path):
    return Exemplars(tmp_path)


def test_nothing_is_there_and_nothing_is_made(cache, tmp_path):
    assert cache.get("model", "key") == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"nonsense" * 1000, b"", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_a_miss_and_begun_anew(cache, tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert cache.get("model", "key") == ()
    cache.put("model", "key", ("text",))
    assert cache.get("model", "key") == ("text",)


@pytest.mark.parametrize("written", ["nonsense", "5", "[]x", "[5]", '[""]', '{"a": 1}'])
def test_a_damaged_entry_is_a_miss(cache, tmp_path, written):
    cache.put("model", "key", ("text",))
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE exemplars SET texts = ?", (written,))
    assert cache.get("model", "key") == ()


def test_a_disk_that_does_not_take_it_is_said(tmp_path):
    (tmp_path / "file").write_text("no folder")
    cache = Exemplars(tmp_path / "file")
    assert cache.get("model", "key") == ()
    with pytest.raises(EnvironmentFailed, match="cannot be kept"):
        cache.put("model", "key", ("text",))


def test_texts_are_those_of_a_source_and_a_key(cache):
    cache.put("model", "key", ("one", "zwei ü\n"))
    cache.put("model", "other", ("three",))
    assert cache.get("model", "key") == ("one", "zwei ü\n")
    assert cache.get("another", "key") == ()
    cache.put("model", "key", ("new",))
    assert cache.get("model", "key") == ("new",)


def test_the_oldest_go_and_what_is_huge_is_not_kept(tmp_path):
    cache = Exemplars(tmp_path, most=3)
    for number in range(5):
        cache.put("model", str(number), ("text",))
    cache.put("model", "huge", ("x" * (1 << 20),))
    assert [bool(cache.get("model", key)) for key in ("0", "1", "2", "3", "4", "huge")] == [
        False, False, True, True, True, False,
    ]  # fmt: skip


def test_only_its_owner_may_read_it(cache, tmp_path):
    cache.put("model", "key", ("text",))
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_processes_share_it(cache, tmp_path):
    names = ("a", "b", "c")
    writers = [subprocess.Popen([sys.executable, "-c", _FILL, str(tmp_path), name]) for name in names]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert all(cache.get(name, str(number)) == (f"text {number}",) for name in names for number in range(100))
