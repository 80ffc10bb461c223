"""Units to blocks, keys and one vector, with the stub."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.encoder.aggregate import aggregate, attention
from indexer.encoder.interface import Encoder
from indexer.encoder.units import HEADING_TOKENS, block_key, embed_text, heading, plan_unit, tokenise_units
from indexer.errors import UsageError


def stub(**options: Any) -> Encoder:
    path = Path(__file__).parents[2] / "stub_encoder.py"
    spec = importlib.util.spec_from_file_location("stub_encoder", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    encoder: Encoder = module.StubEncoder(**options)
    return encoder


def test_stub_refuses_what_the_model_refuses() -> None:
    encoder = stub()
    with pytest.raises(UsageError, match="it has 0, 6"):
        encoder.encode([np.array([1], np.int32)], 3)
    with pytest.raises(UsageError, match="33 tokens"):
        encoder.encode([np.ones(33, np.int32)], 6)


@pytest.mark.parametrize("text", ["", " \n\t\n", "\ud800", "\x00"])
def test_any_text_has_a_vector_of_norm_one(text: str) -> None:
    vector = embed_text(stub(), text, 6)
    assert vector.shape == (64,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_plan_covers_all_tokens_and_names_each_block() -> None:
    encoder = stub()
    text = "\n".join(f"name{number} = {number}" for number in range(30))
    tokens = encoder.tokenise([text])[0]
    plan = plan_unit(encoder, tokens, tokens.ids[:0], text, 10, (), 6)
    np.testing.assert_array_equal(np.concatenate(plan.token_ids), tokens.ids)
    assert len(plan.blocks) == len(plan.keys) == len(plan.token_ids) > 1
    assert plan.blocks[0].start_line == 10
    assert plan.blocks[-1].end_line == 39
    assert {len(key) for key in plan.keys} == {16}
    assert len(set(plan.keys)) == len(plan.keys)


def test_key_depends_on_tokens_depth_and_model_only() -> None:
    ids = np.array([1, 2, 3], np.int32)
    keys = [
        block_key("m", 6, ids),
        block_key("m", 0, ids),
        block_key("n", 6, ids),
        block_key("m", 6, ids[:2]),
    ]
    assert len(set(keys)) == 4
    assert block_key("m", 6, ids) == block_key("m", 6, ids.astype(np.int64)) == keys[0]


def test_one_block_is_its_own_vector() -> None:
    encoder = stub()
    tokens = encoder.tokenise(["def add(a, b): return a + b"])[0]
    np.testing.assert_allclose(
        embed_text(encoder, "def add(a, b): return a + b", 6), encoder.encode([tokens.ids], 6)[0], atol=1e-6
    )


def test_aggregate_is_the_normalised_mean() -> None:
    np.testing.assert_allclose(aggregate(np.eye(2, dtype=np.float32)), [0.5**0.5] * 2, atol=1e-6)


def test_opposite_blocks_still_give_a_vector() -> None:
    blocks = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    assert np.linalg.norm(aggregate(blocks)) == pytest.approx(1)


def unit_vectors(count: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    vectors = np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


SCORER = np.linspace(-3, 3, 8).astype(np.float32)


@pytest.mark.parametrize("scorer", [None, SCORER])
@pytest.mark.parametrize("count", [1, 2, 7, 300])
def test_every_unit_vector_has_norm_one(count: int, scorer: Any) -> None:
    vector = aggregate(unit_vectors(count), scorer)
    assert vector.shape == (8,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("scorer", [None, SCORER])
def test_one_block_is_unchanged(scorer: Any) -> None:
    np.testing.assert_allclose(aggregate(unit_vectors(1), scorer), unit_vectors(1)[0], atol=1e-6)


def test_attention_is_half_of_what_is_joined() -> None:
    """v = normalize(½·Σ αᵢ·eᵢ + ½·mean(e)), α = softmax of the scores (SEA)."""
    blocks = unit_vectors(5)
    scores = blocks.astype(np.float64) @ SCORER
    shares = np.exp(scores) / np.exp(scores).sum()
    wanted = 0.5 * (shares[:, None] * blocks).sum(axis=0) + 0.5 * blocks.mean(axis=0)
    np.testing.assert_allclose(aggregate(blocks, SCORER), wanted / np.linalg.norm(wanted), atol=1e-6)
    np.testing.assert_allclose(attention(blocks, SCORER), shares, atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_shares_add_up_and_do_not_overflow(scale: float) -> None:
    shares = attention(unit_vectors(9), SCORER * np.float32(scale))
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    assert np.all(shares >= 0)


def test_a_scorer_that_knows_nothing_leaves_the_mean() -> None:
    blocks = unit_vectors(4)
    np.testing.assert_allclose(aggregate(blocks, np.zeros(8, np.float32)), aggregate(blocks), atol=1e-6)


def test_joining_changes_no_block_and_does_not_depend_on_their_order() -> None:
    blocks = unit_vectors(6)
    before = blocks.copy()
    joined = aggregate(blocks, SCORER)
    np.testing.assert_array_equal(blocks, before)
    np.testing.assert_allclose(aggregate(blocks[::-1], SCORER), joined, atol=1e-6)


def test_opposite_blocks_with_a_scorer_give_a_vector() -> None:
    blocks = np.array([[0, 1], [0, -1]], dtype=np.float32)
    assert np.linalg.norm(aggregate(blocks, np.array([1, 0], np.float32))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("path", "symbol", "words"),
    [
        ("d123456", "", ""),
        ("cosqa-dev-17", "", ""),
        ("nested/folder/4711", "", ""),
        ("Makefile", "", ""),
        ("", "", ""),
        ("d123456", "read_file", "read file"),
        ("src/store/journal.c", "", "src store journal c"),
        ("very/long/way/src/store/journal.c", "", "src store journal c"),
        ("a.py", "HttpClient.get_json", "HttpClient get json a py"),
        ("a_b/__init__.py", "_private__name_", "private name a b init py"),
        ("web/über-uns.ts", "Ns::Klass#méthode<T>", "Ns Klass méthode T web über uns ts"),
        ("\ud800.py", "\x00", "py"),
    ],
)
def test_a_heading_is_the_words_of_a_name_and_of_where_it_lies(path: str, symbol: str, words: str) -> None:
    assert heading(path, symbol) == words


def test_a_heading_takes_a_tenth_of_the_window_at_most() -> None:
    units = [("a/b/c.py", "word " * 400, "x = 1"), ("plain", "", "x = 1")]
    for window, most in ((32, 3), (1000, HEADING_TOKENS)):
        (text, head), (same, none) = tokenise_units(stub(window=window), units)
        assert (len(head), len(none)) == (most, 0)
        np.testing.assert_array_equal(text.ids, same.ids)


def test_every_block_has_the_heading_and_fits_the_window() -> None:
    encoder = stub()
    text = "\n".join(f"name{number} = {number}" for number in range(60))
    tokens, head = tokenise_units(encoder, [("a/b.py", "Klass.name", text)])[0]
    plan = plan_unit(encoder, tokens, head, text, 1, (), 6)
    assert len(head) == 3
    assert len(plan.blocks) > 2
    for block, ids in zip(plan.blocks, plan.token_ids, strict=True):
        assert len(ids) <= encoder.window
        np.testing.assert_array_equal(ids, np.concatenate([head, tokens.ids[block.first : block.last]]))
    assert sum(block.last - block.first for block in plan.blocks) == len(tokens.ids)
    bare = plan_unit(encoder, tokens, head[:0], text, 1, (), 6)
    assert not set(plan.keys) & set(bare.keys)


def test_an_empty_text_is_its_heading() -> None:
    encoder = stub()
    tokens, head = tokenise_units(encoder, [("a/b.py", "name", "")])[0]
    plan = plan_unit(encoder, tokens, head, "", 1, (), 6)
    assert len(plan.blocks) == 1
    np.testing.assert_array_equal(plan.token_ids[0], head)


def test_a_query_is_joined_with_the_same_scorer() -> None:
    encoder = stub()
    text = "\n".join(f"name{number} = {number}" for number in range(30))
    plain = embed_text(encoder, text, 6)
    encoder.block_scorer = np.linspace(-9, 9, 64).astype(np.float32)
    tokens = encoder.tokenise([text])[0]
    blocks = encoder.encode(plan_unit(encoder, tokens, tokens.ids[:0], text, 1, (), 6).token_ids, 6)
    np.testing.assert_allclose(embed_text(encoder, text, 6), aggregate(blocks, encoder.block_scorer), atol=1e-6)
    assert not np.allclose(embed_text(encoder, text, 6), plain, atol=1e-4)
