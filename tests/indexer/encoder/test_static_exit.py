"""Exit 0: sums of rows of a table, each text by itself; a table that is not one is refused."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from indexer.encoder.static import StaticExit
from indexer.errors import ModelDamaged

WORDS, DIMENSION = 50, 16


def table() -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers and scales; row 3 says nothing, row 5 is the opposite of row 4."""
    random = np.random.default_rng(1)
    whole = random.integers(-127, 128, size=(WORDS, DIMENSION), dtype=np.int8)
    scales = random.uniform(0.001, 0.1, size=(WORDS, 1)).astype(np.float32)
    whole[3] = 0
    whole[5], scales[5] = -whole[4], scales[4]
    return whole, scales


@pytest.fixture
def static(tmp_path: Path) -> StaticExit:
    whole, scales = table()
    np.savez(tmp_path / "static.npz", table=whole, scales=scales)
    return StaticExit(tmp_path / "static.npz", DIMENSION)


def ids(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int32)


def test_a_text_is_the_sum_of_its_rows(static: StaticExit) -> None:
    whole, scales = table()
    rows = whole.astype(np.float64) * scales
    texts = [ids(7), ids(7, 8), ids(9, 9, 10, 3), np.arange(6, WORDS, dtype=np.int32)]
    wanted = np.array([rows[text].sum(axis=0) for text in texts])
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = static.encode(texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("text", [ids(), ids(3), ids(3, 3, 3), ids(4, 5)])
def test_a_text_that_says_nothing_has_a_vector_all_the_same(static: StaticExit, text: np.ndarray) -> None:
    np.testing.assert_array_equal(static.encode([ids(7), text, ids(8)])[1], np.eye(DIMENSION)[0])


def test_a_row_of_zeros_changes_no_text(static: StaticExit) -> None:
    np.testing.assert_allclose(*static.encode([ids(7, 8), ids(3, 7, 3, 8, 3)]), atol=1e-6)


def test_a_word_often_said_weighs_more(static: StaticExit) -> None:
    often, once, word = static.encode([ids(7, 7, 7, 8), ids(7, 8), ids(7)])
    assert often @ word > once @ word


def test_neither_the_other_texts_nor_the_order_matters(static: StaticExit) -> None:
    random = np.random.default_rng(2)
    texts = [random.integers(0, WORDS, size=size, dtype=np.int32) for size in [0, 1, 5, 200, 3, 5, 1, 1000]]
    together = static.encode(texts)
    np.testing.assert_allclose(together, np.concatenate([static.encode([text]) for text in texts]), atol=1e-6)
    np.testing.assert_allclose(static.encode(texts[::-1])[::-1], together, atol=1e-6)
    np.testing.assert_allclose(static.encode([random.permutation(text) for text in texts]), together, atol=2e-6)


def test_no_texts_give_no_vectors(static: StaticExit) -> None:
    assert static.encode([]).shape == (0, DIMENSION)


@pytest.mark.parametrize("shape", [(WORDS, DIMENSION + 1), (WORDS,), (2, WORDS, DIMENSION)])
def test_a_table_of_another_shape_is_named(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "static.npz", table=np.ones(shape, np.int8), scales=np.ones(1, np.float32))
    with pytest.raises(ModelDamaged, match=r"static\.npz"):
        StaticExit(tmp_path / "static.npz", DIMENSION).encode([ids(1)])


def test_threads_share_one_table(static: StaticExit) -> None:
    wanted, found = static.encode([ids(7, 8)]), []
    threads = [threading.Thread(target=lambda: found.append(static.encode([ids(7, 8)]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for vectors in found:
        np.testing.assert_array_equal(vectors, wanted)
