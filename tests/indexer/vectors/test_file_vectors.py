"""One vector a file: what a plain sum over its units gives, however they are stored."""

import numpy as np
import pytest

from indexer.store.interface import Catalogue
from indexer.vectors.exact import ExactSearcher
from indexer.vectors.factory import open_vectors
from indexer.vectors.files import file_vectors
from indexer.vectors.index import SegmentedIndex
from indexer.vectors.segments import part_of, write_segment

DIMENSION = 16
_NONE = np.empty(0, np.int64)


def catalogue(keys, files):
    keys, files = np.asarray(keys, np.int64), np.asarray(files, np.int32)
    zeros = np.zeros(len(keys), np.int32)
    count = int(files.max()) + 1 if len(files) else 0
    return Catalogue(keys, files, zeros, zeros, [("r", f"{n}.py", "python") for n in range(count)], ["function"], ["f"])


def unit_vectors(count):
    vectors = np.random.default_rng(2).standard_normal((count, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def indexed(folder, keys, vectors, dead=_NONE):
    segment = write_segment(folder, [part_of(np.asarray(keys, np.int64), vectors, _NONE)])
    return SegmentedIndex([(segment, ExactSearcher(segment))], np.asarray(dead, np.int64))


def plain(index, known):
    """Return the normalised sum of each file's vectors, one unit at a time."""
    sums = np.zeros((len(known.files), DIMENSION), np.float64)
    for key, file in zip(known.keys, known.file, strict=True):
        sums[file] += index.vectors(np.array([key]))[0]
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.divide(sums, norms, out=np.zeros_like(sums), where=norms > 0)


def test_nothing_indexed_is_no_file():
    found = file_vectors(open_vectors([], _NONE), catalogue([], []))
    assert found.shape == (0, 0)


def test_without_vectors_files_have_none():
    found = file_vectors(open_vectors([], _NONE), catalogue([1, 2, 3], [0, 0, 1]))
    assert found.shape == (2, 0)


def test_a_file_whose_units_have_no_vectors_is_zeros(tmp_path):
    index = indexed(tmp_path / "s", [1, 4], unit_vectors(2))
    found = file_vectors(index, catalogue([1, 2, 3, 4], [0, 1, 1, 2]))
    np.testing.assert_array_equal(found[1], np.zeros(DIMENSION))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0, 1], atol=1e-6)


def test_opposite_units_leave_no_direction(tmp_path):
    vector = unit_vectors(1)
    index = indexed(tmp_path / "s", [1, 2], np.concatenate([vector, -vector]))
    np.testing.assert_array_equal(file_vectors(index, catalogue([1, 2], [0, 0])), np.zeros((1, DIMENSION)))


def test_a_file_of_one_unit_has_its_vector(tmp_path):
    vectors = unit_vectors(3)
    found = file_vectors(indexed(tmp_path / "s", [1, 2, 3], vectors), catalogue([1, 2, 3], [2, 0, 1]))
    np.testing.assert_allclose(found, vectors[[1, 2, 0]], atol=1e-3)
    assert found.dtype == np.float32


@pytest.mark.parametrize("chunk", [1, 7, 100, 8_192])
@pytest.mark.parametrize("order", ["together", "mixed"])
def test_files_are_the_sums_of_their_units(tmp_path, monkeypatch, chunk, order):
    monkeypatch.setattr("indexer.vectors.files.CHUNK", chunk)
    chance = np.random.default_rng(3)
    keys = np.sort(chance.choice(5_000, 300, replace=False))
    files = chance.integers(40, size=300)
    known = catalogue(keys, np.sort(files) if order == "together" else files)
    stored = chance.permutation(keys)[:250]
    index = indexed(tmp_path / "s", stored, unit_vectors(250))
    np.testing.assert_allclose(file_vectors(index, known), plain(index, known), atol=1e-5)
