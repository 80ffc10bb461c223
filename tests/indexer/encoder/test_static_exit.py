"""Exit 0: weighted sums of rows of a table, each text by itself; a table that is not one is refused."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from indexer.encoder.static import Pooling, StaticExit, read_table, write_table
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


@pytest.fixture
def pooled(tmp_path: Path) -> StaticExit:
    whole, scales = table()
    write_table(tmp_path / "pooled.npz", whole * scales, Pooling(front=3, decay=2, power=0.5))
    return StaticExit(tmp_path / "pooled.npz", DIMENSION)


def test_a_file_without_pooling_sums_the_rows(static: StaticExit) -> None:
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


def test_a_token_weighs_the_root_of_the_sum_of_its_places(pooled: StaticExit) -> None:
    rows, pooling = read_table(pooled._path, DIMENSION)
    assert pooling == Pooling(3, 2, 0.5)
    places = 1 + 3 * np.exp(-np.arange(5) / 2)
    texts = [ids(7, 8, 7, 9, 7), ids(), ids(8), ids(9, 9)]
    wanted = [
        places[[0, 2, 4]].sum() ** 0.5 * rows[7] + places[1] ** 0.5 * rows[8] + places[3] ** 0.5 * rows[9],
        np.eye(DIMENSION)[0],
        rows[8],
        rows[9],
    ]
    for found, vector in zip(pooled.encode(texts), wanted, strict=True):
        np.testing.assert_allclose(found, vector / np.linalg.norm(vector), atol=1e-6)


def test_what_is_said_first_weighs_more_and_what_is_repeated_does_not_drown_it(pooled: StaticExit) -> None:
    first, last, word = pooled.encode([ids(7, 8, 9, 10), ids(8, 9, 10, 7), ids(7)])
    assert first @ word > last @ word
    once, often = pooled.encode([ids(7, 8, 9), ids(7, *[8] * 30, 9)])
    plain = StaticExit(pooled._path.with_name("plain.npz"), DIMENSION)
    write_table(plain._path, read_table(pooled._path, DIMENSION)[0], Pooling())
    assert often @ once > np.multiply(*plain.encode([ids(7, 8, 9), ids(7, *[8] * 30, 9)])).sum()


def test_pooling_does_not_mind_the_other_texts(pooled: StaticExit) -> None:
    random = np.random.default_rng(3)
    texts = [random.integers(0, WORDS, size=size, dtype=np.int32) for size in [0, 1, 5, 200, 3, 5, 1, 1000]]
    alone = np.concatenate([pooled.encode([text]) for text in texts])
    np.testing.assert_array_equal(pooled.encode(texts), alone)


@pytest.mark.parametrize(
    "pooling",
    [np.array([-1.0, 2.0, 1.0]), np.array([np.inf, 2.0, 1.0]), np.array(["a", "b", "c"]), np.zeros((3, 2)), np.ones(4)],
)
def test_a_pooling_that_is_none_is_refused_by_name(tmp_path: Path, pooling: np.ndarray) -> None:
    whole, scales = table()
    np.savez(tmp_path / "static.npz", table=whole, scales=scales, pooling=pooling)
    with pytest.raises(ModelDamaged, match=r"static\.npz"):
        StaticExit(tmp_path / "static.npz", DIMENSION).encode([ids(1)])


def test_a_file_that_is_no_archive_is_refused_by_name(tmp_path: Path) -> None:
    for content in (b"PK\x03\x04 nothing of the kind", b""):
        (tmp_path / "static.npz").write_bytes(content)
        with pytest.raises(ModelDamaged, match=r"static\.npz"):
            StaticExit(tmp_path / "static.npz", DIMENSION).encode([ids(1)])


def test_a_token_that_the_table_has_not_is_refused_by_name(static: StaticExit) -> None:
    with pytest.raises(ModelDamaged, match=r"static\.npz has 50 words"):
        static.encode([ids(7), ids(8, WORDS)])
