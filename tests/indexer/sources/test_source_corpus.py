"""Corpus files: broken ones first."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from indexer.errors import EnvironmentFailed
from indexer.sources.factory import open_source
from indexer.types import Skipped, SkipReason, SourceFile

GOOD = {"_id": "1", "text": "def f(): pass", "metadata": {"language": "python"}}


def records(tmp_path: Path, *lines: str | bytes | dict, name: str = "set.jsonl") -> list[SourceFile | Skipped]:
    raw = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
    (tmp_path / name).write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in raw))
    found = open_source(str(tmp_path / name), cache=tmp_path).entries()
    return [entry if isinstance(entry, Skipped) else entry.read() for entry in found]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "1",
        "null",
        '"text"',
        "{}",
        '{"_id": "2"}',
        '{"text": "x"}',
        '{"_id": "", "text": "x"}',
        '{"_id": true, "text": "x"}',
        '{"_id": null, "text": "x"}',
        '{"_id": "2", "text": 7}',
        '{"_id": ["a"], "text": "x"}',
        '{"_id": "2", "text": "x", "metadata": [1]}',
        '{"_id": "2", "text": "x", "metadata": {"language": 3}}',
        '{"_id": "2", "text": "x", "title": 7}',
        '{"func_name": "f"}',
        '{"func_name": "f", "code": 1, "path": "a"}',
        '{"func_name": ["f"], "code": "x"}',
        "[" * 100_000,
        '{"_id": ' + "9" * 5_000 + ', "text": "x"}',
        b'{"_id": "2", "text": "\xff"}',
        '{"_id": "2", "text": NaN}',
        '{"query": "q", "code": "c"}',
    ],
)
def test_a_broken_line_is_counted_with_its_place(tmp_path: Path, line: str | bytes) -> None:
    good, broken, last = records(tmp_path, GOOD, line, {**GOOD, "_id": "3"})
    assert (good.path, last.path) == ("1", "3")
    assert isinstance(broken, Skipped)
    assert (broken.path, broken.reason) == ("set.jsonl:2", SkipReason.MALFORMED)
    assert broken.detail


def test_an_id_used_twice_is_counted(tmp_path: Path) -> None:
    _, second = records(tmp_path, GOOD, {**GOOD, "text": "other"})
    assert (second.reason, second.path) == (SkipReason.MALFORMED, "set.jsonl:2")


def test_half_characters_do_not_get_in(tmp_path: Path) -> None:
    (found,) = records(tmp_path, '{"_id": "a\\ud800", "text": "x\\udfff", "title": "\\ud800"}')
    for text in (found.path, found.symbol, found.content.decode()):
        text.encode()


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_gzip_file_that_ends_early_is_not_taken_for_whole(tmp_path: Path, cut: int) -> None:
    whole = gzip.compress("\n".join(json.dumps({**GOOD, "_id": str(n)}) for n in range(99)).encode())
    (tmp_path / "set.jsonl.gz").write_bytes(whole[:-cut])
    with pytest.raises(EnvironmentFailed, match=r"set\.jsonl\.gz"):
        list(open_source(str(tmp_path / "set.jsonl.gz"), cache=tmp_path).entries())


@pytest.mark.parametrize("content", [b"not gzip", b"", gzip.compress(b"x" * 999)[:10] + b"damaged" * 9])
def test_what_is_no_gzip_is_an_environment_failure_or_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.jsonl.gz").write_bytes(content)
    source = open_source(str(tmp_path / "set.jsonl.gz"), cache=tmp_path)
    if content:
        with pytest.raises(EnvironmentFailed):
            list(source.entries())
    else:
        assert list(source.entries()) == []


def test_a_bomb_is_one_line_that_is_not_held(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "set.jsonl.gz", "wb", compresslevel=1) as stream:
        for _ in range(64):
            stream.write(b" " * (1 << 20))
        stream.write(b"\n" + json.dumps(GOOD).encode())
    tracemalloc.start()
    found = list(open_source(str(tmp_path / "set.jsonl.gz"), cache=tmp_path).entries())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found[0], Skipped)
    assert found[1].path == "1"
    assert peak < 40 << 20


def test_a_file_that_is_gone_fails(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text("{}")
    source = open_source(str(tmp_path / "set.jsonl"), cache=tmp_path)
    (tmp_path / "set.jsonl").unlink()
    with pytest.raises(EnvironmentFailed, match="cannot be read"):
        list(source.entries())


def test_a_record_that_is_too_large_is_counted(tmp_path: Path) -> None:
    (found,) = records(tmp_path, {**GOOD, "text": "x" * ((1 << 20) + 1)})
    assert (found.path, found.reason) == ("1", SkipReason.TOO_LARGE)


def test_archives_read_as_plain_files_do(tmp_path: Path) -> None:
    plain = records(tmp_path, GOOD, {**GOOD, "_id": "2"})
    (tmp_path / "set.jsonl.gz").write_bytes(gzip.compress((tmp_path / "set.jsonl").read_bytes()))
    found = open_source(str(tmp_path / "set.jsonl.gz"), cache=tmp_path)
    assert [entry.read() for entry in found.entries()] == plain


def test_beir_records(tmp_path: Path) -> None:
    found = records(tmp_path, {**GOOD, "title": "f"}, "", {"_id": 7, "text": "x", "title": None}, name="corpus.jsonl")
    assert found[0] == SourceFile(tmp_path.name, "1", b"def f(): pass", "python", True, "f", "")
    assert (found[1].path, found[1].language) == ("7", None)


def test_code_search_net_records_have_stable_paths_of_their_own(tmp_path: Path) -> None:
    record = {
        "repo": "o/r",
        "path": "a/b.py",
        "func_name": "C.f",
        "code": "def f(): ...",
        "language": "python",
        "docstring": "Do.",
        "url": "https://example.org/o/r/blob/abc/a/b.py#L10-L12",
        "partition": "test",
    }
    other = {**record, "url": record["url"].replace("L10", "L90")}
    bare = {**record, "url": "", "code": None, "original_string": "def g(): ..."}
    found = records(tmp_path, record, other, bare)
    assert found[0] == SourceFile("set", found[0].path, b"def f(): ...", "python", True, "C.f", "Do.")
    assert len({file.path for file in found}) == 3
    assert all("a/b.py#C.f" in file.path for file in found)
    assert [file.path for file in records(tmp_path, bare, other, record)] == [file.path for file in reversed(found)]


def test_an_empty_record_is_counted_and_an_unchanged_one_keeps_its_stamp(tmp_path: Path) -> None:
    (empty,) = records(tmp_path, {"_id": "1", "text": "  "})
    assert empty.reason is SkipReason.EMPTY
    records(tmp_path, GOOD)
    first, second = (
        [entry.stamp for entry in open_source(str(tmp_path / "set.jsonl"), cache=tmp_path).entries()] for _ in "ab"
    )
    assert first == second
