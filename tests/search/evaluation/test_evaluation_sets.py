"""Sets in BEIR layout: whatever is wrong with one is said with its file and line, and good ones are read right."""

import gzip
import json

import pytest

from indexer.errors import UsageError
from search.evaluation.sets import TextSet, read_set


@pytest.fixture
def folder(small_sets, tmp_path):
    return small_sets.text_set(tmp_path / "tiny")


def refused(folder):
    with pytest.raises(UsageError) as raised:
        read_set(folder)
    return str(raised.value)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_a_missing_file_is_named_with_its_other_names(folder, name):
    (folder / name).unlink()
    said = refused(folder)
    assert f"{folder} has no {name} or" in said


def test_what_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "nothing"):
        assert str(path) in refused(path)
        assert "corpus.jsonl" in refused(path)


@pytest.mark.parametrize(
    ("name", "line", "word"),
    [
        ("corpus.jsonl", b'{"_id": "x", "text": ', "not JSON"),
        ("corpus.jsonl", b"[" * 100_000, "not JSON"),
        ("corpus.jsonl", b'\xef\xbb\xbf{"_id": "x", "text": "y"}', "not JSON"),
        ("corpus.jsonl", b'["x", "y"]', "not a JSON object"),
        ("corpus.jsonl", b"7", "not a JSON object"),
        ("corpus.jsonl", b'{"text": "y"}', '"_id"'),
        ("corpus.jsonl", b'{"_id": "x"}', '"text"'),
        ("corpus.jsonl", b'{"_id": 7, "text": "y"}', '"_id"'),
        ("corpus.jsonl", b'{"_id": "x", "text": " \\n"}', '"text"'),
        ("corpus.jsonl", b'{"_id": "x", "text": ["y"]}', '"text"'),
        ("corpus.jsonl", b'{"_id": "x", "text": "y", "title": 7}', '"title"'),
        ("corpus.jsonl", b'{"_id": "x", "text": "y", "metadata": {"language": 7}}', "language"),
        ("corpus.jsonl", b'{"_id": "x", "text": "y", "metadata": ["python"]}', '"metadata"'),
        ("corpus.jsonl", b'{"_id": "x", "text": "half \\ud800"}', "half a character"),
        ("corpus.jsonl", b'{"_id": "half \\udfff", "text": "y"}', "half a character"),
        ("corpus.jsonl", b'{"_id": "x", "text": "y", "title": "\\ud800"}', "half a character"),
        ("corpus.jsonl", b'{"_id": "x", "text": "caf\xe9"}', "not UTF-8"),
        ("corpus.jsonl", b'{"_id": "near", "text": "y"}', "'near' was used before"),
        ("queries.jsonl", b"nonsense", "not JSON"),
        ("queries.jsonl", b'"q4"', "not a JSON object"),
        ("queries.jsonl", b'{"text": "y"}', '"_id"'),
        ("queries.jsonl", b'{"_id": "q4", "text": ""}', '"text"'),
        ("queries.jsonl", b'{"_id": "q1", "text": "y"}', "'q1' was used before"),
        ("queries.jsonl", b'{"_id": "q4", "text": "what \\"is never closed"}', "quote at column 6"),
        ("queries.jsonl", b"\xff", "not UTF-8"),
        ("qrels.tsv", b"q1\tnear", "with tabs between"),
        ("qrels.tsv", b"q1\t0\tnear\t1", "with tabs between"),
        ("qrels.tsv", b"q1 near 1", "with tabs between"),
        ("qrels.tsv", b"q1\tnear\t1.5", "whole number"),
        ("qrels.tsv", b"q1\tnear\t--1", "whole number"),
        ("qrels.tsv", "q1\tnear\t²".encode(), "whole number"),
        ("qrels.tsv", b"q1\tnear\t" + b"9" * 5000, "whole number"),
        ("qrels.tsv", b"query-id\tcorpus-id\tscore", "whole number"),
        ("qrels.tsv", b"q9\tnear\t1", "no query 'q9'"),
        ("qrels.tsv", b"q1\tgone\t1", "'gone' is not in the corpus"),
        ("qrels.tsv", b"q1\tnear\xff\t1", "not UTF-8"),
    ],
)
def test_a_line_that_cannot_be_is_named(folder, name, line, word):
    path = folder / name
    before = path.read_bytes()
    path.write_bytes(before + line + b"\n")
    said = refused(folder)
    assert said.startswith(f"{path}:{len(before.splitlines()) + 1}: ")
    assert word in said


def test_a_query_without_an_answer_is_named(folder, small_sets):
    small_sets.write_rows(folder / "queries.jsonl", [{"_id": f"q{n}", "text": "zebra"} for n in range(1, 6)])
    assert refused(folder) == f"{folder / 'qrels.tsv'}: no answer to 2 of 5 queries, first 'q4'"


@pytest.mark.parametrize("grade", ["0", "-1"])
def test_a_grade_of_nothing_is_no_answer(folder, grade):
    (folder / "qrels.tsv").write_text(f"q1\tnear\t{grade}\nq2\tnear\t1\nq3\tnear\t1\n")
    assert "first 'q1'" in refused(folder)


def test_no_query_is_no_set(folder):
    (folder / "queries.jsonl").write_text("\n")
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n")
    assert refused(folder) == f"{folder / 'queries.jsonl'} holds no query"


@pytest.mark.parametrize("damage", ["cut", "flipped", "plain", "trailing"])
@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_damaged_gzip_is_named(folder, name, damage):
    plain = folder / name
    packed = gzip.compress(plain.read_bytes())
    damaged = {
        "cut": packed[:-9],
        "flipped": packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        "plain": plain.read_bytes(),
        "trailing": packed + b"more",
    }
    (folder / f"{name}.gz").write_bytes(damaged[damage])
    plain.unlink()
    assert refused(folder).startswith(f"{folder / name}.gz cannot be read after line ")


def test_a_set_is_read_whole(folder, small_sets):
    found = read_set(folder)
    assert isinstance(found, TextSet)
    assert found.name == "tiny"
    assert {key: (each.text, each.language) for key, each in found.texts.items()} == small_sets.TEXTS
    assert found.queries == small_sets.QUERIES
    assert found.relevance == {"q1": {"far": 1}, "q2": {"documented": 1}, "q3": {"rust": 2, "near": 1}}


def test_packed_files_and_qrels_in_a_folder_read_the_same(folder):
    plain = read_set(folder)
    for name in ("corpus.jsonl", "queries.jsonl"):
        path = folder / name
        (folder / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    (folder / "qrels").mkdir()
    (folder / "qrels.tsv").rename(folder / "qrels" / "test.tsv")
    assert read_set(folder) == plain


def test_blank_lines_other_line_ends_and_a_missing_header_are_no_fault(folder):
    plain = read_set(folder)
    for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv"):
        path = folder / name
        lines = path.read_text().splitlines()[1 if name == "qrels.tsv" else 0 :]
        path.write_bytes("\r\n\r\n".join(lines).encode())
    assert read_set(folder) == plain


def test_titles_are_kept_and_what_else_a_record_says_is_not_looked_at(folder):
    row = {"_id": "t", "title": "Zebra.run", "text": "def run(): pass", "metadata": None, "url": 7}
    with (folder / "corpus.jsonl").open("a") as stream:
        stream.write(json.dumps(row))
    text = read_set(folder).texts["t"]
    assert (text.title, text.language) == ("Zebra.run", "")
