"""The vectors of a generation: FAISS against exact search, filters, dead keys, ties, merged segments."""

import resource

import faiss
import numpy as np
import pytest

from indexer.errors import EnvironmentFailed, IndexDamaged
from indexer.vectors.exact import ExactSearcher
from indexer.vectors.factory import build_segment, measure_recall, open_segments
from indexer.vectors.faiss import CODES_FILE, FaissSearcher, build_codes
from indexer.vectors.index import SearchedSegment, SegmentedIndex, hidden_keys
from indexer.vectors.segments import KEYS_FILE, VECTORS_FILE, part_of, read_segment, single, write_segment

_NONE = np.empty(0, np.int64)


def _vectors(count, dimension=32, seed=0):
    """Unit vectors about a few hundred centres, the same for every seed."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(300).standard_normal((300, dimension))
    vectors = centres[chance.integers(300, size=count)] + 0.6 * chance.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _segment(folder, keys, vectors, dead=_NONE):
    return write_segment(folder, [part_of(np.asarray(keys, np.int64), vectors, dead)])


def _exact(segment, dead=_NONE):
    return SegmentedIndex([SearchedSegment(segment, ExactSearcher(segment))], dead)


@pytest.mark.parametrize("damage", ["gone", "short", "swapped", "text"])
def test_files_that_do_not_fit_are_damage(tmp_path, damage):
    _segment(tmp_path / "s", range(9), _vectors(9))
    path = tmp_path / "s" / VECTORS_FILE
    if damage == "gone":
        path.unlink()
    elif damage == "short":
        np.save(path, _vectors(8).astype(np.float16))
    elif damage == "swapped":
        (tmp_path / "s" / KEYS_FILE).replace(path)
    else:
        path.write_text("no array")
    with pytest.raises(IndexDamaged):
        read_segment(tmp_path / "s")


def test_codes_of_other_vectors_are_damage(tmp_path):
    segment, other = (
        _segment(tmp_path / "s", range(99), _vectors(99)),
        _segment(tmp_path / "o", range(50), _vectors(50)),
    )
    build_codes(other)
    (other.folder / CODES_FILE).replace(segment.folder / CODES_FILE)
    with pytest.raises(IndexDamaged, match="50 vectors instead of 99"):
        FaissSearcher(segment)
    (segment.folder / CODES_FILE).write_bytes(b"no codes")
    with pytest.raises(IndexDamaged):
        FaissSearcher(segment)


def test_a_disk_that_fails_ends_no_process(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    segment = _segment(tmp_path / "s", range(5000), _vectors(5000))
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    try:
        with pytest.raises(OSError, match="large"):
            _segment(tmp_path / "t", range(5000), _vectors(5000))
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(EnvironmentFailed, match="codes"):
            build_codes(segment)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_index_without_vectors_finds_nothing():
    index = open_segments([], _NONE)
    keys, scores = index.search(np.ones(8, np.float32), 5)
    assert (len(index), len(keys), len(scores)) == (0, 0, 0)
    assert index.vectors(np.array([1, 2])).shape == (2, 0)


def test_a_segment_is_written_as_the_sum_of_its_parts(tmp_path, monkeypatch):
    """More than one chunk, parts that interleave, keys in any order, dead ones left out."""
    monkeypatch.setattr("indexer.vectors.segments.CHUNK", 7)
    vectors = _vectors(100)
    chance = np.random.default_rng(5)
    order = chance.permutation(100)
    parts = [part_of(keys, vectors[keys], np.array([3, 50, 99])) for keys in np.split(order, [1, 40, 60])]
    segment = write_segment(tmp_path / "s", parts)
    kept = np.setdiff1d(np.arange(100), [3, 50, 99])
    assert segment.keys.tolist() == kept.tolist()
    np.testing.assert_array_equal(segment.vectors, vectors[kept].astype(np.float16))


@pytest.mark.parametrize("within", [None, 3, 500, 4500])
def test_several_segments_with_dead_keys_answer_as_one(tmp_path, within):
    vectors = _vectors(5000)
    folders = [tmp_path / name for name in "abc"]
    shuffled = np.random.default_rng(1).permutation(5000)
    for folder, keys in zip(folders, np.split(shuffled, [100, 2000]), strict=True):
        build_segment(folder, [part_of(keys, vectors[keys], _NONE)])
    dead = np.sort(shuffled[::7])
    index = open_segments([(folder, 6) for folder in folders], dead)
    assert len(index) == 5000 - len(dead)
    allowed = None if within is None else np.sort(shuffled[:within])
    alive = np.setdiff1d(np.arange(5000) if allowed is None else allowed, dead)
    stored = vectors.astype(np.float16).astype(np.float32)
    for query in vectors[:5]:
        keys, scores = index.search(query, 20, allowed)
        truth = alive[np.argsort(-(stored[alive] @ query), kind="stable")[:20]]
        assert set(keys.tolist()) == set(truth.tolist())
        np.testing.assert_allclose(scores, stored[keys] @ query, rtol=1e-4, atol=1e-5)
        assert np.all(np.diff(scores) <= 0)
    np.testing.assert_array_equal(index.vectors(np.array([7, 10**6])), np.stack([stored[7], np.zeros(32)]))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("within", [None, 40, 1900])
def test_a_key_that_two_segments_hold_is_that_of_the_deeper_one(tmp_path, monkeypatch, order, within):
    """Three depths, with dead keys; the segments in any order, the filter large or small."""
    monkeypatch.setattr("indexer.vectors.index._DIRECT", 100)
    chance = np.random.default_rng(3)
    vectors = {depth: _vectors(2000, seed=depth) for depth in (0, 2, 6)}
    held = {0: np.arange(2000), 2: np.sort(chance.permutation(2000)[:900]), 6: np.sort(chance.permutation(2000)[:300])}
    for depth, keys in held.items():
        _segment(tmp_path / str(depth), keys, vectors[depth][keys])
    dead = np.sort(chance.permutation(2000)[:100])
    index = open_segments([(tmp_path / str((0, 2, 6)[place]), (0, 2, 6)[place]) for place in order], dead)
    wanted = vectors[0].copy()
    for depth in (2, 6):
        wanted[held[depth]] = vectors[depth][held[depth]]
    wanted = wanted.astype(np.float16).astype(np.float32)
    assert len(index) == 1900
    np.testing.assert_array_equal(index.vectors(np.arange(2000)), wanted)
    allowed = None if within is None else np.sort(chance.permutation(2000)[:within])
    alive = np.setdiff1d(np.arange(2000) if allowed is None else allowed, dead)
    for query in _vectors(5, seed=9):
        keys, scores = index.search(query, 25, allowed)
        truth = alive[np.argsort(-(wanted[alive] @ query), kind="stable")[:25]]
        assert keys.tolist() == truth.tolist()
        np.testing.assert_allclose(scores, wanted[keys] @ query, rtol=1e-4, atol=1e-5)
    assert len(index.search(wanted[0], 5000)[0]) == 1900


def test_what_is_hidden_in_a_segment_are_the_dead_and_the_deeper():
    one, two, three, four = (np.array(keys) for keys in ([1, 2], [3, 4], [2, 3, 5], [1, 5, 6]))
    hidden = hidden_keys([(one, 6), (two, 6), (three, 4), (four, 0)], np.array([4, 9]))
    assert [keys.tolist() for keys in hidden] == [[4, 9], [4, 9], [1, 2, 3, 4, 9], [1, 2, 3, 4, 5, 9]]
    assert hidden_keys([], _NONE) == []


def test_ties_are_broken_by_key(tmp_path):
    vectors = np.repeat(_vectors(1), 12, axis=0)
    one, two = _segment(tmp_path / "a", range(6, 12), vectors[6:]), _segment(tmp_path / "b", range(6), vectors[:6])
    index = SegmentedIndex([SearchedSegment(part, ExactSearcher(part)) for part in (one, two)], _NONE)
    keys, _ = index.search(vectors[0], 12)
    assert keys.tolist() == list(range(12))


def test_more_than_there_is_can_be_asked(tmp_path):
    segment = _segment(tmp_path / "s", range(5), _vectors(5))
    assert len(_exact(segment).search(_vectors(1)[0], 100)[0]) == 5
    assert len(_exact(segment, np.arange(5)).search(_vectors(1)[0], 3)[0]) == 0
    assert len(_exact(segment).search(_vectors(1)[0], 3, _NONE)[0]) == 0


def test_measured_recall_is_of_the_segment(tmp_path):
    assert measure_recall(_segment(tmp_path / "s", range(3), _vectors(3))) == 1.0
    segment = build_segment(tmp_path / "t", [part_of(np.arange(12_000), _vectors(12_000, 64), _NONE)])
    assert 0.9 < measure_recall(segment) <= 1.0


def test_every_half_is_converted_as_numpy_does():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(-1, 4)
    rows = np.arange(0, len(halves), 3)
    np.testing.assert_array_equal(single(halves, rows), halves[rows].astype(np.float32))


def test_a_search_leaves_the_threads_of_faiss_as_they_were(tmp_path):
    searcher = FaissSearcher(_segment(tmp_path / "s", range(500), _vectors(500)))
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        searcher.nearest(_vectors(1)[0], 10)
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


@pytest.mark.slow
def test_faiss_finds_what_exact_search_finds(tmp_path):
    vectors = _vectors(20_000, 128)
    segment = build_segment(tmp_path / "s", [part_of(np.arange(20_000), vectors, _NONE)])
    dead = np.arange(0, 20_000, 9)
    fast, exact = SegmentedIndex([SearchedSegment(segment, FaissSearcher(segment))], dead), _exact(segment, dead)
    within = np.arange(0, 20_000, 2)
    for allowed in (None, within, within[:4000]):
        hits = 0
        for query in _vectors(100, 128, seed=9):
            found, scores = fast.search(query, 10, allowed)
            truth, _ = exact.search(query, 10, allowed)
            hits += len(np.intersect1d(found, truth))
            assert not np.isin(found, dead).any()
            assert allowed is None or np.isin(found, allowed).all()
            assert len(found) == 10
            assert np.all(np.diff(scores) <= 0)
        assert hits / 1000 >= 0.98
