"""Corpus files: CodeSearchNet's and BEIR's fields, and what is wrong with them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import EnvironmentFailed
from indexer.sources import corpus
from indexer.sources.corpus import CorpusSource
from indexer.sources.interface import Entry
from indexer.types import Skipped, SkipReason, SourceFile

BEIR = {"_id": "d1", "text": "def f(): pass", "title": "f", "metadata": {"language": "python"}}
CSN = {
    "repo": "o/r",
    "path": "a/b.py",
    "func_name": "C.m",
    "code": "def m(self): ...",
    "language": "python",
    "docstring": "Do it.",
    "url": "https://example.org/o/r/blob/abc/a/b.py#L10-L12",
}


def write(tmp_path: Path, *lines: Any) -> CorpusSource:
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    (tmp_path / "c.jsonl").write_bytes(b"\n".join(raw))
    return CorpusSource(tmp_path / "c.jsonl", "c")


def skips(source: CorpusSource) -> list[tuple[str, SkipReason]]:
    return [(item.path, item.reason) for item in source.entries() if isinstance(item, Skipped)]


def files(source: CorpusSource) -> list[SourceFile]:
    found = [item.read() for item in source.entries() if isinstance(item, Entry)]
    return [file for file in found if isinstance(file, SourceFile)]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b"7",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"[" * 100000,
        {"text": "x"},
        {"_id": "a", "text": 7},
        {"_id": True, "text": "x"},
        {"_id": "a", "text": "x", "metadata": "y"},
        {"func_name": ["f"], "code": "x"},
        {"_id": "a", "text": "x", "metadata": {"language": 3}},
    ],
)
def test_broken_records_are_named_by_their_line(tmp_path: Path, line: Any) -> None:
    source = write(tmp_path, BEIR, line, {**BEIR, "_id": "d2"})
    assert skips(source) == [("c.jsonl:2", SkipReason.MALFORMED)]
    assert [file.path for file in files(source)] == ["d1", "d2"]


def test_a_second_record_of_the_same_name_is_malformed(tmp_path: Path) -> None:
    assert skips(write(tmp_path, BEIR, BEIR)) == [("c.jsonl:2", SkipReason.MALFORMED)]


def test_a_record_without_text_is_empty(tmp_path: Path) -> None:
    assert skips(write(tmp_path, {"_id": "a", "text": " \n"})) == [("c.jsonl:1", SkipReason.EMPTY)]


def test_an_endless_line_is_skipped_without_reading_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_MAX_LINE", 1_000)
    source = write(tmp_path, b"x" * 3_500, BEIR)
    assert skips(source) == [("c.jsonl:1", SkipReason.MALFORMED)]
    assert [file.path for file in files(source)] == ["d1"]


def test_a_truncated_archive_fails_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(b'{"_id": "%d", "text": "x"}' % i for i in range(999)))[:-20])
    with pytest.raises(EnvironmentFailed, match=r"c\.jsonl\.gz is damaged"):
        list(CorpusSource(path, "c").entries())


def test_a_file_that_is_no_archive_fails(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl.gz").write_bytes(b"plain")
    with pytest.raises(EnvironmentFailed, match="damaged"):
        list(CorpusSource(tmp_path / "c.jsonl.gz", "c").entries())


def test_a_file_that_is_gone_fails(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="cannot be read"):
        list(CorpusSource(tmp_path / "no.jsonl", "c").entries())


def test_beir_records(tmp_path: Path) -> None:
    source = write(tmp_path, BEIR, b"", {"_id": 7, "text": "x"})
    assert files(source) == [
        SourceFile("c", "d1", b"def f(): pass", "python", record=True, symbol="f"),
        SourceFile("c", "7", b"x", record=True),
    ]


def test_codesearchnet_records(tmp_path: Path) -> None:
    without_code = {key: value for key, value in CSN.items() if key not in ("code", "url")}
    source = write(tmp_path, CSN, {**without_code, "original_string": "def m(): pass"})
    first, second = files(source)
    assert first == SourceFile(
        "c", "o/r/a/b.py#C.m@10", b"def m(self): ...", "python", record=True, symbol="C.m", docstring="Do it."
    )
    assert (second.path, second.content) == ("o/r/a/b.py#C.m@2", b"def m(): pass")


def test_lone_surrogates_become_question_marks(tmp_path: Path) -> None:
    source = write(tmp_path, b'{"_id": "\\ud800", "text": "x\\udfff"}')
    assert [(file.path, file.content) for file in files(source)] == [("?", b"x?")]


def test_archives_read_as_plain_files_do(tmp_path: Path) -> None:
    plain = write(tmp_path, BEIR, CSN)
    packed = tmp_path / "c.jsonl.gz"
    packed.write_bytes(gzip.compress((tmp_path / "c.jsonl").read_bytes()))
    assert files(CorpusSource(packed, "c")) == files(plain)
