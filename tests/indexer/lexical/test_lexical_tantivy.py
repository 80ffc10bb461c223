"""The BM25 index against a plain BM25, restricted, with deletions, and on a disk that fails."""

import math
import random
import resource
from collections import Counter

import numpy as np
import pytest

from indexer.errors import EnvironmentFailed, IndexDamaged
from indexer.lexical.factory import lexical_writer, open_lexical
from indexer.lexical.interface import LexicalDocument
from indexer.lexical.tantivy import FIELD_WEIGHTS

_K1, _B = 1.2, 0.75
_FIELDS = tuple(FIELD_WEIGHTS)


def _documents(count, seed=1, longest=38):
    chance = random.Random(seed)
    vocabulary = [f"t{n}" for n in range(60)]

    def some(most):
        return " ".join(chance.choices(vocabulary, weights=range(60, 0, -1), k=chance.randint(1, most)))

    return [LexicalDocument(key, key // 3, some(3), some(4), some(12), some(longest)) for key in range(count)]


def _build(folder, documents, removed=()):
    writer = lexical_writer(folder / "work", None)
    for document in documents:
        writer.add(document)
    for file in removed:
        writer.remove_file(file)
    writer.freeze(folder / "1")
    writer.close()
    return open_lexical(folder / "1")


def _bm25(documents, terms):
    """BM25 as in Robertson and Zaragoza (2009), with ln(1 + (N - n + 0.5) / (n + 0.5)); fields are added up."""
    scores = Counter()
    for field in _FIELDS:
        texts = {document.key: getattr(document, field).split() for document in documents}
        average = sum(map(len, texts.values())) / len(texts)
        for term, boost in terms.items():
            holding = sum(term in text for text in texts.values())
            idf = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
            for key, text in texts.items():
                count = text.count(term)
                if count:
                    norm = _K1 * (1 - _B + _B * len(text) / average)
                    scores[key] += boost * FIELD_WEIGHTS[field] * idf * count * (_K1 + 1) / (count + norm)
    return scores


def test_scores_are_those_of_a_plain_bm25(tmp_path):
    """Fields of up to 39 terms: tantivy keeps such lengths exactly."""
    documents = _documents(300)
    index = _build(tmp_path, documents)
    for terms in ({"t0": 1.0}, {"t3": 1.0, "t40": 2.0}, {"t59": 0.5, "t1": 1.0, "absent": 1.0}):
        expected = _bm25(documents, terms)
        found = index.search(terms, 1000)
        assert set(found.keys.tolist()) == set(expected)
        got = dict(zip(found.keys.tolist(), found.scores.tolist(), strict=True))
        for key, score in expected.items():
            assert got[key] == pytest.approx(score, rel=1e-4)
        assert np.all(np.diff(found.scores) <= 0)


def test_long_fields_are_within_the_rounding_of_their_lengths(tmp_path):
    documents = _documents(100, longest=900)
    index = _build(tmp_path, documents)
    expected = _bm25(documents, {"t5": 1.0})
    found = index.search({"t5": 1.0}, 100)
    for key, score in zip(found.keys.tolist(), found.scores.tolist(), strict=True):
        assert score == pytest.approx(expected[key], rel=0.06)


@pytest.mark.parametrize("size", [0, 1, 50, 4096, 4097, 8000])
def test_a_restricted_search_misses_nothing(tmp_path, size):
    documents = _documents(9000, longest=5)
    index = _build(tmp_path, documents)
    within = np.sort(np.random.default_rng(size).choice(9000, size, replace=False)).astype(np.int64)
    everything = index.search({"t30": 1.0, "t2": 1.0}, 9000)
    allowed = np.isin(everything.keys, within)
    for limit in (1, 7, 9000):
        found = index.search({"t30": 1.0, "t2": 1.0}, limit, within)
        np.testing.assert_allclose(found.scores, everything.scores[allowed][:limit], rtol=1e-5)
        assert set(found.keys.tolist()) <= set(within.tolist())
    assert set(found.keys.tolist()) == set(everything.keys[allowed].tolist())


def test_removed_files_are_not_found(tmp_path):
    documents = _documents(30)
    index = _build(tmp_path, documents, removed=(0, 4, 99))
    kept = {document.key for document in documents if document.file not in (0, 4)}
    assert len(index) == len(kept) == 24
    assert set(index.search({f"t{n}": 1.0 for n in range(60)}, 100).keys.tolist()) == kept
    for term in ("t0", "t7"):
        holding = {
            document.key
            for document in documents
            if document.key in kept and any(term in getattr(document, field).split() for field in _FIELDS)
        }
        assert set(index.containing([term]).tolist()) == holding


def test_an_empty_index_and_odd_queries_find_nothing(tmp_path):
    index = _build(tmp_path, [])
    assert len(index) == 0
    assert len(index.search({"t0": 1.0}, 10).keys) == 0
    assert index.containing(["t0"]).tolist() == []
    assert index.frequency("t0") == 0
    index = _build(tmp_path / "more", _documents(5))
    assert len(index.search({}, 10).keys) == 0
    assert len(index.search({"t0": 1.0}, 0).keys) == 0
    assert len(index.search({"": 1.0, "x" * 70_000: 1.0}, 5).keys) == 0


def test_frozen_states_share_files_stay_as_they_are_and_gather_no_lists_of_deletions(tmp_path):
    """A generation that each deletes one file of a large segment keeps one list of deleted units, not all."""
    writer = lexical_writer(tmp_path / "work", None)
    for document in _documents(300):
        writer.add(document)
    frozen = [writer.freeze(tmp_path / "0")]
    for file in range(6):
        writer.remove_file(file)
        frozen.append(writer.freeze(tmp_path / str(file + 1)))
    writer.close()
    for number, files in enumerate(frozen):
        assert len(open_lexical(tmp_path / str(number))) == 300 - 3 * number
        lists = [path for path in files if path.suffix == ".del"]
        assert len(lists) == min(number, 1)
    writer = lexical_writer(tmp_path / "work", tmp_path / "6")
    writer.remove_file(50)
    assert len([path for path in writer.freeze(tmp_path / "7") if path.suffix == ".del"]) == 1
    writer.close()
    assert len(open_lexical(tmp_path / "7")) == 300 - 21
    assert len(open_lexical(tmp_path / "6")) == 300 - 18


def test_a_folder_without_an_index_is_damage(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "meta.json").write_text("{")
    with pytest.raises(IndexDamaged, match="BM25"):
        open_lexical(tmp_path / "x")


def test_a_disk_that_fails_is_no_damage(tmp_path):
    writer = lexical_writer(tmp_path / "work", None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    documents = _documents(2000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
    try:
        with pytest.raises(EnvironmentFailed, match="BM25"):
            _write_all(writer, documents, tmp_path / "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.close()


def _write_all(writer, documents, target):
    for document in documents:
        writer.add(document)
    writer.freeze(target)
