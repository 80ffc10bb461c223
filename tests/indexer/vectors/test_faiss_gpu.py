"""FAISS for a GPU: what is chosen, what is laid out, and that its answers are re-scored like all others.

A GPU is needed by the last test only; the others keep the same indexes in this machine's memory.
"""

import faiss
import numpy as np
import pytest

from indexer.vectors import factory, faiss_gpu
from indexer.vectors.exact import ExactSearcher
from indexer.vectors.faiss import FaissSearcher
from indexer.vectors.faiss_gpu import GpuSearcher
from indexer.vectors.index import SearchedSegment, SegmentedIndex
from indexer.vectors.segments import part_of, write_segment

_NONE = np.empty(0, np.int64)


def _here(index):
    return index


def _vectors(count, seed=0, dimension=64):
    """Unit vectors about a few hundred centres, the same for every seed."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(300).standard_normal((300, dimension))
    vectors = centres[chance.integers(300, size=count)] + 0.6 * chance.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def segment(tmp_path_factory):
    """12,000 vectors: more than numpy searches."""
    folder = tmp_path_factory.mktemp("vectors") / "s"
    return write_segment(folder, [part_of(np.arange(12_000), _vectors(12_000), _NONE)])


@pytest.fixture(autouse=True)
def unsaid():
    """Forget which lines were said."""
    factory._say_once.cache_clear()


def _index(segment, searcher, dead=_NONE):
    return SegmentedIndex([SearchedSegment(segment, searcher)], dead)


def _assert_near_exact(segment, searcher, recall):
    """Compare ten best with exact search, with and without filters and dead keys."""
    dead = np.arange(0, 12_000, 7)
    ours, exact = _index(segment, searcher, dead), _index(segment, ExactSearcher(segment), dead)
    hits = []
    for query in _vectors(40, seed=9):
        for within in (None, np.arange(0, 12_000, 1), np.arange(0, 12_000, 40)):
            keys, scores = ours.search(query, 10, within)
            truth, _ = exact.search(query, 10, within)
            hits.append(len(np.intersect1d(keys, truth)))
            np.testing.assert_allclose(scores, ours.vectors(keys) @ query, rtol=1e-5, atol=1e-6)
            assert not np.isin(keys, dead).any()
    assert np.mean(hits) / 10 >= recall


def test_flat_finds_what_exact_search_finds(segment):
    searcher = GpuSearcher(segment, _here)
    assert isinstance(searcher._index, faiss.IndexFlat)
    _assert_near_exact(segment, searcher, 1.0)


def test_clusters_keep_halves_and_find_nearly_all(segment, monkeypatch):
    monkeypatch.setattr(faiss_gpu, "CLUSTERED_FROM", 10_000)
    searcher = GpuSearcher(segment, _here)
    assert isinstance(searcher._index, faiss.IndexIVFScalarQuantizer)
    assert searcher._index.code_size == 2 * 64
    assert searcher._index.nprobe > 8
    _assert_near_exact(segment, searcher, 0.98)


def test_what_a_gpu_does_not_list_the_processor_does(segment):
    searcher = GpuSearcher(segment, _here)
    query = _vectors(1, seed=4)[0]
    assert len(searcher.nearest(query, 2_048)) == 2_048
    assert searcher._deep is None
    assert len(searcher.nearest(query, 2_049)) >= 2_049
    keys, _ = _index(segment, searcher).search(query, 12_000)
    assert len(keys) == 12_000


def test_without_a_gpu_the_processor_is_chosen_and_nothing_is_said(segment, caplog):
    if faiss_gpu.gpus():
        pytest.skip("this machine has a GPU that FAISS uses")
    if faiss_gpu.made_for_gpus():
        pytest.skip("faiss-gpu is installed: that line is tested below")
    assert isinstance(factory.searcher(segment), FaissSearcher)
    assert caplog.messages == []


def test_the_wheel_for_gpus_without_one_is_one_line(segment, monkeypatch, caplog):
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    for _ in range(3):
        assert isinstance(factory.searcher(segment), FaissSearcher)
    assert caplog.messages == ["faiss-gpu is installed and finds no GPU: vectors are searched on the processor"]


def test_a_gpu_is_chosen_where_there_is_one(segment, monkeypatch, caplog):
    monkeypatch.setattr(faiss_gpu, "gpus", lambda: 1)
    monkeypatch.setattr(faiss_gpu, "_on_gpu", _here)
    assert isinstance(factory.searcher(segment), GpuSearcher)
    small = write_segment(segment.folder.with_name("small"), [part_of(np.arange(99), _vectors(99), _NONE)])
    assert isinstance(factory.searcher(small), ExactSearcher)
    assert caplog.messages == []


def test_a_gpu_that_is_too_small_is_said_once(segment, monkeypatch, caplog):
    def full(index):
        raise RuntimeError("Error in StandardGpuResources\nout of memory")

    monkeypatch.setattr(faiss_gpu, "gpus", lambda: 1)
    monkeypatch.setattr(faiss_gpu, "_on_gpu", full)
    for _ in range(2):
        assert isinstance(factory.searcher(segment), FaissSearcher)
    said = "the GPU cannot hold the vectors, they are searched on the processor: out of memory"
    assert caplog.messages == [said]


@pytest.mark.slow
@pytest.mark.parametrize(("clustered", "recall"), [(False, 0.999), (True, 0.98)])
def test_on_a_gpu_answers_are_those_of_exact_search(segment, monkeypatch, clustered, recall):
    if not faiss_gpu.gpus():
        pytest.skip("no GPU that FAISS uses; on a machine with one and faiss-gpu: pytest tests/indexer/vectors")
    if clustered:
        monkeypatch.setattr(faiss_gpu, "CLUSTERED_FROM", 10_000)
    _assert_near_exact(segment, GpuSearcher(segment), recall)
