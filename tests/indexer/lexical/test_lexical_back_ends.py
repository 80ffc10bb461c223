"""Every BM25 back end against a plain BM25, restricted, with deletions, and over generations."""

import math
import random
from collections import Counter

import numpy as np
import pytest

from indexer.backends import Backends
from indexer.lexical.interface import FIELD_WEIGHTS, LexicalDocument
from indexer.settings import Backend, Settings
from indexer.store.manifest import Manifest

_K1, _B = 1.2, 0.75
_FIELDS = tuple(FIELD_WEIGHTS)


def _documents(count, seed=1, longest=38):
    chance = random.Random(seed)
    vocabulary = [f"t{n}" for n in range(60)]

    def some(most):
        return " ".join(chance.choices(vocabulary, weights=range(60, 0, -1), k=chance.randint(1, most)))

    return [LexicalDocument(key, key // 3, some(3), some(4), some(12), some(longest)) for key in range(count)]


def manifest_of(frozen, generation, backend):
    """The manifest of a generation that has nothing but words."""
    return Manifest(
        generation=generation,
        created="",
        documents=frozen.documents,
        depths={},
        model="",
        fingerprint="",
        backend=backend,
        lexical=frozen.name,
        lexical_files=(),
    )


class _BackEnd:
    """Writes generations with one back end, and opens them."""

    def __init__(self, folder, **chosen):
        folder.mkdir()
        self.backends = Backends(folder, Settings(**chosen))
        self.manifest = None

    def writer(self, fresh=False):
        return self.backends.lexical_writer(self.manifest, fresh=fresh)

    def publish(self, writer):
        """Move the generation; return what a reader of it has, and goes on having."""
        generation = (self.manifest.generation if self.manifest else 0) + 1
        self.manifest = manifest_of(writer.freeze(generation), generation, self.backends.kind)
        writer.settle(generation)
        return self.backends.open_lexical(self.manifest)

    def build(self, documents, removed=()):
        writer = self.writer(fresh=True)
        for document in documents:
            writer.add(document)
        for file in removed:
            writer.remove_file(file)
        opened = self.publish(writer)
        writer.close()
        return opened


@pytest.fixture(params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.slow)])
def back_end(request, tmp_path):
    chosen = request.getfixturevalue("clustered") if request.param == "elasticsearch" else {}
    return _BackEnd(tmp_path / "index", **chosen)


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


def test_scores_are_those_of_a_plain_bm25(back_end):
    """Fields of up to 39 terms: tantivy keeps such lengths exactly."""
    documents = _documents(300)
    index = back_end.build(documents)
    for terms in ({"t0": 1.0}, {"t3": 1.0, "t40": 2.0}, {"t59": 0.5, "t1": 1.0, "absent": 1.0}):
        expected = _bm25(documents, terms)
        found = index.search(terms, 1000)
        assert set(found.keys.tolist()) == set(expected)
        got = dict(zip(found.keys.tolist(), found.scores.tolist(), strict=True))
        for key, score in expected.items():
            assert got[key] == pytest.approx(score, rel=1e-4)
        assert np.all(np.diff(found.scores) <= 0)


def test_long_fields_are_within_the_rounding_of_their_lengths(back_end):
    documents = _documents(100, longest=900)
    index = back_end.build(documents)
    expected = _bm25(documents, {"t5": 1.0})
    found = index.search({"t5": 1.0}, 100)
    for key, score in zip(found.keys.tolist(), found.scores.tolist(), strict=True):
        assert score == pytest.approx(expected[key], rel=0.06)


@pytest.mark.parametrize("size", [0, 1, 50, 4096, 4097, 8000])
def test_a_restricted_search_misses_nothing(back_end, size):
    documents = _documents(9000, longest=5)
    index = back_end.build(documents)
    within = np.sort(np.random.default_rng(size).choice(9000, size, replace=False)).astype(np.int64)
    everything = index.search({"t30": 1.0, "t2": 1.0}, 9000)
    allowed = np.isin(everything.keys, within)
    for limit in (1, 7, 9000):
        found = index.search({"t30": 1.0, "t2": 1.0}, limit, within)
        np.testing.assert_allclose(found.scores, everything.scores[allowed][:limit], rtol=1e-5)
        assert set(found.keys.tolist()) <= set(within.tolist())
    assert set(found.keys.tolist()) == set(everything.keys[allowed].tolist())


def test_removed_files_are_not_found(back_end):
    documents = _documents(30)
    index = back_end.build(documents, removed=(0, 4, 99))
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


def test_an_empty_index_and_odd_queries_find_nothing(back_end):
    index = back_end.build([])
    assert len(index) == 0
    assert len(index.search({"t0": 1.0}, 10).keys) == 0
    assert index.containing(["t0"]).tolist() == []
    assert index.frequencies(["t0"]) == {"t0": 0}
    index = back_end.build(_documents(5))
    assert len(index.search({}, 10).keys) == 0
    assert len(index.search({"t0": 1.0}, 0).keys) == 0
    assert len(index.search({"": 1.0, "x" * 70_000: 1.0}, 5).keys) == 0
    assert index.containing(["x" * 70_000]).tolist() == []
    assert index.frequencies(["x" * 70_000, "t0"])["x" * 70_000] == 0


def test_frequencies_count_the_bodies_that_hold_a_term(back_end):
    documents = _documents(200)
    index = back_end.build(documents, removed=(1, 2))
    kept = [document for document in documents if document.file not in (1, 2)]
    expected = {term: sum(term in document.body.split() for document in kept) for term in ("t0", "t9", "absent", "")}
    if back_end.backends.kind is Backend.EMBEDDED:  # counts what is deleted until segments are merged
        index = back_end.build(kept)
    assert index.frequencies(expected) == expected
    assert index.frequencies(["t9", "t59", "t9"])["t9"] == expected["t9"]
    assert index.frequencies([]) == {}


def test_a_reader_of_a_generation_goes_on_seeing_it(back_end):
    documents = _documents(60)
    writer = back_end.writer()
    for document in documents[:30]:
        writer.add(document)
    first = back_end.publish(writer)
    seen = first.search({"t0": 1.0, "t5": 1.0}, 100).keys
    for document in documents[30:]:
        writer.add(document)
    for file in (0, 3, 12):
        writer.remove_file(file)
    assert set(first.search({"t0": 1.0, "t5": 1.0}, 100).keys.tolist()) == set(seen.tolist())
    second = back_end.publish(writer)
    writer.close()
    assert (len(first), len(second)) == (30, 51)
    assert set(first.search({"t0": 1.0, "t5": 1.0}, 100).keys.tolist()) == set(seen.tolist())
    removed = {document.key for document in documents if document.file in (0, 3, 12)}
    everything = {f"t{n}": 1.0 for n in range(60)}
    assert set(second.search(everything, 100).keys.tolist()) == set(range(60)) - removed
    assert set(first.search(everything, 100).keys.tolist()) == set(range(30))


def test_what_was_not_published_is_gone_with_the_next_writer(back_end):
    documents = _documents(60)
    back_end.build(documents[:30])
    writer = back_end.writer()
    for document in documents[30:]:
        writer.add(document)
    writer.remove_file(2)
    writer.freeze(2)
    writer.close()
    before = back_end.backends.open_lexical(back_end.manifest)
    everything = {f"t{n}": 1.0 for n in range(60)}
    assert set(before.search(everything, 100).keys.tolist()) == set(range(30))
    writer = back_end.writer()
    writer.add(documents[40])
    after = back_end.publish(writer)
    writer.close()
    assert set(after.search(everything, 100).keys.tolist()) == {*range(30), 40}


def test_all_that_match_are_listed_however_many(back_end):
    documents = [LexicalDocument(key, key, "", "", "", "common " + "x " * (key % 7)) for key in range(12_000)]
    index = back_end.build(documents)
    assert index.containing(["common"]).tolist() == list(range(12_000))
    assert index.containing(["common", "x"]).tolist() == [key for key in range(12_000) if key % 7]
    found = index.search({"x": 1.0}, 12_000)
    assert sorted(found.keys.tolist()) == [key for key in range(12_000) if key % 7]
    assert np.all(np.diff(found.scores) <= 0)
