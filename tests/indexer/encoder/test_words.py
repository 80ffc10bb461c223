"""Words compared by their vectors: what is nearest, what is kept, and what threads see."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from indexer.encoder import words
from indexer.encoder.words import WordVectors
from tests.stub_encoder import StubEncoder


@pytest.fixture
def vectors():
    return WordVectors(StubEncoder())


def test_nothing_is_near_to_nothing(vectors):
    assert vectors.nearest([], ["a"]).shape == (1, 0)
    assert vectors.nearest(["read"], []).shape == (0, 1)
    assert vectors.nearest(["read"], ["", "1 x _ 42"]).tolist() == [[0.0], [0.0]]
    assert vectors.nearest(["7", "q"], ["read"]).tolist() == [[0.0, 0.0]]


def test_the_same_word_is_nearest_however_it_is_written(vectors):
    found = vectors.nearest(["file"], ["readFile", "READ_FILE", "file", "moon"])[:, 0]
    assert found[:3] == pytest.approx([1.0] * 3, abs=2e-3)
    assert found[3] < 0.9


def test_each_text_is_looked_at_alone(vectors):
    texts = ["alpha beta", "", "gamma", "beta delta"]
    together = vectors.nearest(["alpha", "delta"], texts)
    for place, text in enumerate(texts):
        np.testing.assert_array_equal(vectors.nearest(["alpha", "delta"], [text])[0], together[place])


def test_more_words_than_are_kept_change_nothing(monkeypatch, vectors):
    first = vectors.nearest(["alpha"], ["beta gamma"])
    monkeypatch.setattr(words, "_KEPT", 10)
    for number in range(30):
        vectors.nearest([f"word{chr(97 + number % 26)}{chr(97 + number // 26)}"], ["omega"])
    assert len(vectors._kept.rows) <= 14
    np.testing.assert_array_equal(vectors.nearest(["alpha"], ["beta gamma"]), first)


def test_threads_agree(monkeypatch):
    monkeypatch.setattr(words, "_KEPT", 60)
    said = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}word" for n in range(300)]
    texts = [" ".join(said[place : place + 7]) for place in range(0, 290, 3)]
    lone = [WordVectors(StubEncoder()).nearest(["aaword", "bcword"], [text]).tolist() for text in texts]
    shared = WordVectors(StubEncoder())
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda text: shared.nearest(["aaword", "bcword"], [text]).tolist(), texts))
    assert together == lone
